# LSSTComCam, bands u g r i z y.
# Fakes reach a magnitude or so below what single visits detect.
config.options.hosted.mag_max = 25.5
config.options.hostless.mag_max = 25.5
