# Hyper Suprime-Cam: 0.168 arcsec per pixel; 63 pixels are 10.6 arcsec. The packaged models take 51.
config.size = 63
# Pixels with these planes count as missing.
config.bad_planes = ["NO_DATA"]
