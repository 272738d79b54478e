# Hyper Suprime-Cam, bands g r i z y; narrow bands have no light curves of supernovae (supernovaFraction: 0).
# Fakes reach a magnitude or so below what single visits detect.
config.options.hosted.mag_max = 26.5
config.options.hostless.mag_max = 26.5
