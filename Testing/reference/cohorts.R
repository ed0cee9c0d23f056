# Writes the three cohorts of data/*.csv. Run once by reference.R; the seeds make it repeatable.

make_cohort <- function(seed, sizes, networks, site_sd, noise_sd = 6) {
  set.seed(seed)
  n <- sum(sizes)
  site <- rep(sprintf("site%02d", seq_along(sizes)), sizes)
  d <- data.frame(
    case_id = sprintf("c%04d", seq_len(n)), site = site, age = round(runif(n, 35, 88), 1),
    sex = sample(c("F", "M"), n, TRUE), lesion_side = sample(c("L", "R"), n, TRUE),
    days_post_stroke = round(180 + rexp(n, 1 / 900)), lesion_volume_ml = round(exp(rnorm(n, 2.6, 1.3)), 3)
  )
  z <- log(d$lesion_volume_ml)
  cst <- pmin(1, pmax(0, 0.1 + 0.06 * (z - 2.6) + rnorm(n, 0, 0.12)))
  for (net in networks) for (side in c("ipsi", "contra")) {
    offset <- rnorm(length(sizes), 0, site_sd[[paste(side, net, sep = "_")]])
    slope <- if (side == "ipsi") 0.8 else -0.3
    d[[paste0("pad_", side, "_", net)]] <-
      round(offset[match(site, unique(site))] + slope * z - 0.05 * (d$age - 60) + rnorm(n, 0, noise_sd), 4)
    d[[paste0("load_", side, "_", net)]] <-
      if (side == "ipsi") round(pmin(1, pmax(0, 0.1 * (z - 1) + rnorm(n, 0, 0.1))), 5) else round(rbeta(n, 0.3, 20), 5)
  }
  d$load_cst <- round(cst, 5)
  d$motor <- round(pmin(1, pmax(0, 0.75 - 0.8 * cst + rnorm(n, 0, 0.25))) * 66) / 66
  first <- networks[[1]]
  contra <- paste0("pad_contra_", first)
  d[[contra]] <- round(d[[contra]] + 3 * d$motor + 0.3 * d[[paste0("pad_ipsi_", first)]], 4)
  d$motor <- round(d$motor, 6)
  d
}

holes <- function(d, columns, share) {
  for (column in columns) d[[column]][runif(nrow(d)) < share] <- NA
  d
}

same_sd <- function(networks, sd) {
  keys <- as.vector(outer(c("ipsi", "contra"), networks, paste, sep = "_"))
  setNames(as.list(rep(sd, length(keys))), keys)
}

write_cohorts <- function(folder) {
  set.seed(11)
  sizes <- as.vector(rmultinom(1, 501 - 34, rgamma(34, 1.2))) + 1
  typical <- make_cohort(101, sizes, c("fpn", "van", "sal"), same_sd(c("fpn", "van", "sal"), 3))

  small_sd <- same_sd(c("n1", "x2"), 2)
  small_sd$ipsi_n1 <- small_sd$contra_n1 <- 0
  small_sd$contra_x2 <- 25
  small <- make_cohort(209, c(4, 9, 7, 12, 6, 10), c("n1", "x2"), small_sd)
  small <- holes(small, c("pad_contra_n1", "motor", "age"), 0.06)
  small$load_contra_x2 <- 0
  small$days_post_stroke <- 40 * small$age

  uneven <- make_cohort(303, c(1, 1, 1, 2, 3, 60, 45, 2, 5), c("fpn"), same_sd("fpn", 1.2))
  uneven$sex <- "F"
  set.seed(304)
  uneven <- holes(uneven, c("motor", "pad_contra_fpn", "pad_ipsi_fpn"), 0.12)

  for (name in c("typical", "small", "uneven"))
    write.csv(get(name), file.path(folder, paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
}
