# Models of the SEM reference, each fitted to one cohort; `missing` is lavaan's argument.
sem_models <- list(
  default = "
    motor ~ a*load_cst
    pad_ipsi_fpn ~ b*load_cst
    pad_contra_fpn ~ c*motor + d*pad_ipsi_fpn
    through_motor := a*c
    through_ipsi := b*d
    indirect := a*c + b*d
  ",
  reversed = "
    pad_ipsi_fpn ~ load_cst
    pad_contra_fpn ~ pad_ipsi_fpn
    motor ~ load_cst + pad_contra_fpn
  ",
  two_exogenous = "
    motor ~ load_cst + age
    pad_ipsi_fpn ~ load_cst + age
    pad_contra_fpn ~ motor + pad_ipsi_fpn
  ",
  parallel = "
    pad_ipsi_fpn ~ load_cst + motor
    pad_contra_fpn ~ load_cst
    pad_ipsi_van ~ motor
    pad_ipsi_fpn ~~ 0*pad_ipsi_van
  ",
  constrained = "
    motor ~ load_cst
    pad_ipsi_fpn ~ e*load_cst + e*age
    pad_contra_fpn ~ 2*motor + pad_ipsi_fpn
  ",
  latent = "
    damage =~ load_ipsi_fpn + load_ipsi_van + load_ipsi_sal
    motor ~ damage + age
    pad_contra_fpn ~ motor
  ",
  two_latent = "
    damage =~ load_ipsi_fpn + load_ipsi_van + load_ipsi_sal
    recovery =~ motor + load_cst + pad_contra_fpn
    recovery ~ damage + age
    load_ipsi_fpn ~~ load_cst
  ",
  intercepts = "
    motor ~ load_cst
    pad_contra_fpn ~ motor + load_cst
    motor ~ 1
    pad_contra_fpn ~ 1
  ",
  free_exogenous = "
    motor ~ load_cst
    pad_contra_fpn ~ motor
    load_cst ~~ load_cst
  "
)
sem_runs <- list(
  default = list(model = "default", cohort = "typical", missing = "listwise"),
  default_uneven = list(model = "default", cohort = "uneven", missing = "listwise"),
  default_fiml = list(model = "default", cohort = "uneven", missing = "ml"),
  reversed = list(model = "reversed", cohort = "typical", missing = "listwise"),
  reversed_fiml = list(model = "reversed", cohort = "uneven", missing = "ml"),
  two_exogenous = list(model = "two_exogenous", cohort = "typical", missing = "listwise"),
  two_exogenous_fiml = list(model = "two_exogenous", cohort = "uneven", missing = "ml"),
  parallel = list(model = "parallel", cohort = "typical", missing = "listwise"),
  constrained = list(model = "constrained", cohort = "typical", missing = "listwise"),
  constrained_fiml = list(model = "constrained", cohort = "uneven", missing = "ml"),
  latent = list(model = "latent", cohort = "typical", missing = "listwise"),
  two_latent = list(model = "two_latent", cohort = "typical", missing = "listwise"),
  intercepts = list(model = "intercepts", cohort = "typical", missing = "listwise"),
  free_exogenous = list(model = "free_exogenous", cohort = "typical", missing = "listwise")
)
