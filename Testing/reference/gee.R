# Generalised estimating equations by geepack on the typical cohort.
# Run from this folder:  Rscript gee.R
suppressMessages(library(geepack))
d <- read.csv("data/typical.csv", stringsAsFactors = FALSE)
d <- d[order(d$site), ]
rows <- NULL
for (outcome in grep("^pad_", names(d), value = TRUE)) {
  d$id <- as.integer(factor(d$site))
  fit <- geeglm(as.formula(paste(outcome, "~ log(lesion_volume_ml) + age + sex")), id = id, data = d,
                corstr = "exchangeable")
  table <- summary(fit)$coefficients
  rows <- rbind(rows, data.frame(outcome = outcome, estimate = table[2, 1], se = table[2, 2]))
}
write.table(format(rows, digits = 15, scientific = TRUE, trim = TRUE), "tables/gee.tsv", sep = "\t", row.names = FALSE,
            quote = FALSE)
