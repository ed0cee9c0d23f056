# Adjusted means of the motor groups by lmerTest: linear combinations at the mean covariates of the cases used.
# Run from this folder:  Rscript adjusted_means.R
suppressMessages(library(lmerTest))
rows <- NULL
for (cohort in c("typical", "small")) {
  d <- read.csv(file.path("data", paste0(cohort, ".csv")), stringsAsFactors = FALSE)
  d$mild <- as.numeric(d$motor > 25 / 66 + 5e-4)
  d$male <- as.numeric(d$sex == "M")
  for (variable in grep("^(pad_|load_cst)", names(d), value = TRUE)) {
    used <- d[complete.cases(d[, c(variable, "mild", "age", "male", "site")]), ]
    fit <- suppressMessages(lmer(as.formula(paste(variable, "~ mild + age + male + (1 | site)")), used))
    for (group in c("mild", "severe")) {
      L <- c(1, as.numeric(group == "mild"), mean(used$age), mean(used$male))
      found <- contest1D(fit, L, confint = TRUE)
      rows <- rbind(rows, data.frame(cohort = cohort, variable = variable, group = group, mean = found$Estimate,
                                     se = found$`Std. Error`, df = found$df, ci_low = found$lower,
                                     ci_high = found$upper, n = sum(used$mild == (group == "mild"))))
    }
  }
}
write.table(format(rows, digits = 15, scientific = TRUE, trim = TRUE), "tables/adjusted_means.tsv", sep = "\t",
            row.names = FALSE, quote = FALSE)
