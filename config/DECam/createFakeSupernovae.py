# DECam, bands u g r i z Y VR; narrow bands have no light curves of supernovae (supernovaFraction: 0).
# An estimate, not a published depth: about a magnitude below what exposures of 90 s detect at 5 sigma.
# For longer ones set it.
config.options.hosted.mag_max = 25.0
config.options.hostless.mag_max = 25.0
