# Random slopes, crossed and nested grouping factors by lme4, on its own example data (see README.md).
# Run from this folder:  Rscript random_effects.R
suppressMessages(library(lme4))
options(digits = 15)
data(sleepstudy, Pastes, Penicillin)
write.csv(sleepstudy, "data/sleepstudy.csv", row.names = FALSE, quote = FALSE)
write.csv(data.frame(strength = Pastes$strength, batch = Pastes$batch, cask = Pastes$cask), "data/pastes.csv",
          row.names = FALSE, quote = FALSE)
write.csv(Penicillin, "data/penicillin.csv", row.names = FALSE, quote = FALSE)

runs <- list(
  slopes = list(file = "sleepstudy", fit = lmer(Reaction ~ Days + (1 + Days | Subject), sleepstudy)),
  nested = list(file = "pastes", fit = lmer(strength ~ 1 + (1 | batch/cask), Pastes)),
  crossed = list(file = "penicillin", fit = lmer(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)))
fixed <- NULL
variances <- NULL
for (name in names(runs)) {
  fit <- runs[[name]]$fit
  table <- summary(fit)$coefficients
  fixed <- rbind(fixed, data.frame(run = name, term = rownames(table), estimate = table[, 1], se = table[, 2],
                                   log_likelihood = as.numeric(logLik(fit))))
  vc <- as.data.frame(VarCorr(fit))
  variances <- rbind(variances, data.frame(run = name, group = vc$grp, first = vc$var1, second = vc$var2, value = vc$vcov))
}
save_table <- function(table, name)
  write.table(format(table, digits = 15, scientific = TRUE, trim = TRUE), file.path("tables", paste0(name, ".tsv")),
              sep = "\t", row.names = FALSE, quote = FALSE)
save_table(fixed, "random_effects_fixed")
save_table(variances, "random_effects_variances")
