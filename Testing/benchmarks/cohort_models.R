# The mixed models of the cohort analysis by lme4 and lmerTest, timed.
# Rscript cohort_models.R processed_cases.csv [load models to fit; all when absent]
suppressMessages(library(lmerTest))
arguments <- commandArgs(TRUE)
d <- read.csv(arguments[1], stringsAsFactors = FALSE)
d$log_volume <- log(d$lesion_volume_ml)
pads <- grep("^pad_(ipsi|contra)_", names(d), value = TRUE)
loads <- c(grep("^load_(ipsi|contra)_", names(d), value = TRUE), "load_cst")
pairs <- expand.grid(pad = pads, load = loads, stringsAsFactors = FALSE)
if (length(arguments) > 1) pairs <- pairs[round(seq(1, nrow(pairs), length.out = as.integer(arguments[2]))), ]
fit <- function(terms, outcome) {
  model <- suppressMessages(lmer(as.formula(paste(outcome, "~", terms, "+ age + sex + (1 | site)")), d))
  suppressMessages(coef(summary(model)))
}
seconds <- function(code) sum(system.time(code)[c("user.self", "sys.self")])
volume <- seconds(for (pad in pads) fit("log_volume", pad))
load <- seconds(for (k in seq_len(nrow(pairs))) fit(paste(pairs$load[k], "+ log_volume"), pairs$pad[k]))
cat(sprintf("%d %f %d %f\n", length(pads), volume, nrow(pairs), load))
