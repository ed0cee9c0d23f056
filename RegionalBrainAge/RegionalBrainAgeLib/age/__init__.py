"""From features to ages: people, norms, model, training, evaluation."""
