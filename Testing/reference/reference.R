# Reference tables for the cohort library, made by lme4, lmerTest, lavaan and pROC.
# Run from this folder:  Rscript reference.R
suppressMessages({library(lme4); library(lmerTest); library(lavaan); library(pROC)})
options(digits = 15, warn = 1)
source("cohorts.R")
source("sem_models.R")
write_cohorts("data")

save_table <- function(table, name)
  write.table(format(table, digits = 15, scientific = TRUE, trim = TRUE), file.path("tables", paste0(name, ".tsv")),
              sep = "\t", row.names = FALSE, quote = FALSE)

read_cohort <- function(name) read.csv(file.path("data", paste0(name, ".csv")), stringsAsFactors = FALSE)

# ---- mixed models -------------------------------------------------------------------------------------------------
fit_rows <- function(d, outcome, rhs) {
  d <- d[complete.cases(d[, c(outcome, all.vars(rhs), "site")]), ]
  terms <- all.vars(rhs)
  used <- Filter(function(v) length(unique(d[[v]])) > 1, terms)   # a one-level factor cannot enter an R formula
  pieces <- ifelse(used == "lesion_volume_ml", "log(lesion_volume_ml)", used)
  fit <- suppressMessages(suppressWarnings(
    lmer(as.formula(paste(outcome, "~", paste(c("1", pieces), collapse = " + "), "+ (1 | site)")), d)))
  table <- as.data.frame(summary(fit, ddf = "Satterthwaite")$coefficients)
  names(table) <- c("estimate", "se", "df", "t", "p")
  reach <- qt(0.975, table$df) * table$se
  x <- model.matrix(fit)[, rownames(table), drop = FALSE]
  vc <- as.data.frame(VarCorr(fit))
  data.frame(
    outcome = outcome, term = rownames(table), table, ci_low = table$estimate - reach, ci_high = table$estimate + reach,
    std_beta = table$estimate * apply(x, 2, sd) / sd(d[[outcome]]), n = nrow(d), n_sites = length(unique(d$site)),
    site_variance = vc$vcov[1], residual_variance = vc$vcov[2], icc = vc$vcov[1] / sum(vc$vcov),
    singular = isSingular(fit), row.names = NULL)
}

mixed <- NULL
loads <- NULL
adjusted <- NULL
reml <- NULL
for (name in c("typical", "small", "uneven")) {
  d <- read_cohort(name)
  outcomes <- grep("^pad_", names(d), value = TRUE)
  rows <- NULL
  for (model in c("volume", "volume_days")) for (outcome in outcomes) {
    rhs <- if (model == "volume") ~ lesion_volume_ml + age + sex else ~ lesion_volume_ml + age + sex + days_post_stroke
    rows <- rbind(rows, cbind(cohort = name, model = model, fit_rows(d, outcome, rhs)))
  }
  rows$p_fdr <- NA
  for (family in unique(paste(rows$model, rows$term))) {
    mine <- paste(rows$model, rows$term) == family
    rows$p_fdr[mine] <- p.adjust(rows$p[mine], "BH")
  }
  mixed <- rbind(mixed, rows)
  load_rows <- function(rhs) {
    rows <- NULL
    for (load in grep("^load_", names(d), value = TRUE)) {
      if (length(unique(d[[load]])) < 2) next
      for (outcome in outcomes) {
        fitted <- fit_rows(d, outcome, as.formula(paste("~", load, rhs)))
        rows <- rbind(rows, cbind(cohort = name, load = load, fitted[fitted$term == load, ]))
      }
    }
    rows$p_fdr <- p.adjust(rows$p, "BH")
    rows
  }
  loads <- rbind(loads, load_rows("+ age + sex"))
  adjusted <- rbind(adjusted, load_rows("+ lesion_volume_ml + age + sex"))
  for (outcome in outcomes) {
    rhs <- if (length(unique(d$sex)) > 1) "+ log(lesion_volume_ml) + age + sex" else "+ log(lesion_volume_ml) + age"
    fit <- suppressMessages(lmer(as.formula(paste(outcome, "~ 1", rhs, "+ (1 | site)")), d))
    reml <- rbind(reml, data.frame(cohort = name, outcome = outcome, log_likelihood = as.numeric(logLik(fit))))
  }
}
save_table(mixed, "mixed_models")
save_table(loads, "loads")
save_table(adjusted, "loads_adjusted")
save_table(reml, "reml")

# ---- structural equation models -----------------------------------------------------------------------------------
paths <- NULL
measures <- NULL
for (key in names(sem_runs)) {
  run <- sem_runs[[key]]
  fit <- sem(sem_models[[run$model]], read_cohort(run$cohort), missing = run$missing)
  raw <- parameterEstimates(fit)
  std <- standardizedSolution(fit)
  stopifnot(identical(raw$lhs, std$lhs), identical(raw$op, std$op), identical(raw$rhs, std$rhs))
  paths <- rbind(paths, data.frame(
    run = key, lhs = raw$lhs, op = raw$op, rhs = raw$rhs, estimate = raw$est, se = raw$se, z = raw$z, p = raw$pvalue,
    ci_low = raw$ci.lower, ci_high = raw$ci.upper, std_all = std$est.std, std_se = std$se))
  fm <- fitMeasures(fit)
  keep <- c("npar", "chisq", "df", "pvalue", "baseline.chisq", "baseline.df", "cfi", "tli", "logl", "aic", "bic",
            "rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "srmr", "ntotal")
  measures <- rbind(measures, data.frame(run = key, measure = keep, value = as.numeric(fm[keep])))
}
save_table(paths, "sem_paths")
save_table(measures, "sem_fit")

# ---- area under the ROC curve -------------------------------------------------------------------------------------
auc <- NULL
scores <- NULL
for (seed in 1:4) {
  set.seed(seed)
  n <- c(40, 200, 501, 25)[seed]
  y <- rbinom(n, 1, 0.4)
  score <- round(y * c(1, 0.4, 0.8, 5)[seed] + rnorm(n), c(6, 6, 1, 6)[seed])     # the third has many ties
  r <- roc(y, score, levels = c(0, 1), direction = "<", quiet = TRUE)
  ci <- as.numeric(ci.auc(r, method = "delong"))
  auc <- rbind(auc, data.frame(set = seed, auc = ci[2], variance = var(r), ci_low = ci[1], ci_high = ci[3]))
  scores <- rbind(scores, data.frame(set = seed, y = y, score = score))
}
save_table(auc, "auc")
write.table(scores, "data/scores.tsv", sep = "\t", row.names = FALSE, quote = FALSE)

writeLines(capture.output(sessionInfo()), "tables/sessionInfo.txt")
