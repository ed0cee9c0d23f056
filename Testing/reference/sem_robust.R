# Robust and site-clustered standard errors, groups, modification indices and R2 of path models by lavaan.
# Run from this folder after reference.R:  Rscript sem_robust.R
suppressMessages(library(lavaan))
options(digits = 15, warn = 1)
read_cohort <- function(name) read.csv(file.path("data", paste0(name, ".csv")), stringsAsFactors = FALSE)
save_table <- function(table, name)
  write.table(format(table, digits = 15, scientific = TRUE, trim = TRUE), file.path("tables", paste0(name, ".tsv")),
              sep = "\t", row.names = FALSE, quote = FALSE)

models <- list(
  chain = "
    motor ~ load_cst + age
    pad_ipsi_fpn ~ load_cst + age
    pad_contra_fpn ~ motor + pad_ipsi_fpn
  ",
  latent = "
    damage =~ load_ipsi_fpn + load_ipsi_van + load_ipsi_sal
    motor ~ damage + age
    pad_contra_fpn ~ motor
  "
)
runs <- list(
  chain = list(model = "chain", cohort = "typical", missing = "listwise"),
  chain_fiml = list(model = "chain", cohort = "uneven", missing = "ml"),
  latent = list(model = "latent", cohort = "typical", missing = "listwise")
)
paths <- NULL
tests <- NULL
indices <- NULL
r2 <- NULL
for (key in names(runs)) {
  run <- runs[[key]]
  d <- read_cohort(run$cohort)
  for (errors in c("robust", "cluster")) {
    fit <- if (errors == "robust") sem(models[[run$model]], d, estimator = "MLR", missing = run$missing)
           else sem(models[[run$model]], d, estimator = "MLR", missing = run$missing, cluster = "site")
    raw <- parameterEstimates(fit)
    std <- standardizedSolution(fit)
    paths <- rbind(paths, data.frame(run = key, errors = errors, lhs = raw$lhs, op = raw$op, rhs = raw$rhs,
                                     estimate = raw$est, se = raw$se, std_all = std$est.std, std_se = std$se))
    fm <- fitMeasures(fit, c("chisq", "df", "chisq.scaled", "chisq.scaling.factor", "pvalue.scaled"))
    tests <- rbind(tests, data.frame(run = key, errors = errors, measure = names(fm), value = as.numeric(fm)))
  }
  fit <- sem(models[[run$model]], d, missing = run$missing)
  mi <- modindices(fit)
  indices <- rbind(indices, data.frame(run = key, lhs = mi$lhs, op = mi$op, rhs = mi$rhs, mi = mi$mi, epc = mi$epc))
  values <- inspect(fit, "rsquare")
  r2 <- rbind(r2, data.frame(run = key, variable = names(values), r2 = as.numeric(values)))
}
save_table(paths, "sem_robust_paths")
save_table(tests, "sem_robust_fit")
save_table(indices, "sem_modification")
save_table(r2, "sem_r2")

d <- read_cohort("typical")
free <- sem(models$chain, d, group = "sex")
equal <- sem(models$chain, d, group = "sex", group.equal = "regressions")
lrt <- anova(free, equal)
raw <- parameterEstimates(free)
labels <- lavInspect(free, "group.label")
groups <- data.frame(group = labels[pmax(raw$group, 1)], lhs = raw$lhs, op = raw$op, rhs = raw$rhs, estimate = raw$est,
                     se = raw$se)
save_table(groups, "sem_groups")
save_table(data.frame(chi2_difference = lrt[["Chisq diff"]][2], df = lrt[["Df diff"]][2], p = lrt[["Pr(>Chisq)"]][2],
                      chi2_free = lrt[["Chisq"]][1], chi2_equal = lrt[["Chisq"]][2]), "sem_groups_test")
