# Hyper Suprime-Cam, bands g r i z y; narrow bands have no light curves of supernovae (supernovaFraction: 0).
# 0.6 mag below what an exposure detects at 5 sigma in g, 0.9 in r, 1.0 in i: 25.9, 25.6 and 25.5 mag in 150,
# 150 and 200 s, worked out from the fiducial zero points, sky and PSF widths of obs_subaru with a gain of 3.
config.options.hosted.mag_max = 26.5
config.options.hostless.mag_max = 26.5
