# LSSTComCam, bands u g r i z y.
# As for LSSTCam, whose optics it had: 0.5 mag below what a visit detects at 5 sigma in g, 1.0 in r
# (SMTN-002 of July 2025).
config.options.hosted.mag_max = 25.5
config.options.hostless.mag_max = 25.5
