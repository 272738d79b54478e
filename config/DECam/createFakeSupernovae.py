# DECam, bands u g r i z Y VR; narrow bands have no light curves of supernovae (supernovaFraction: 0).
# Fakes reach a magnitude or so below what single visits detect.
config.options.hosted.mag_max = 25.0
config.options.hostless.mag_max = 25.0
