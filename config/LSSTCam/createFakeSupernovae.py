# LSSTCam, bands u g r i z y.
# 0.5 mag below what a visit detects at 5 sigma in g, 1.0 in r, 1.4 in i: 24.97, 24.52 and 24.13 mag (SMTN-002
# of July 2025, which obs_lsst has as fiducialMagLim).
config.options.hosted.mag_max = 25.5
config.options.hostless.mag_max = 25.5
