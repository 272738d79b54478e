# Hyper Suprime-Cam: 0.168 arcsec per pixel. The packaged models know 0.16 to 1.1 arcsec;
# for one that knows one pixel scale only, set config.resample = True.
config.resample = False
# Pixels with these planes count as missing.
config.bad_planes = ["NO_DATA"]
