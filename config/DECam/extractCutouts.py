# DECam: 0.263 arcsec per pixel; 51 pixels are 13.4 arcsec. The packaged models take 51.
config.size = 51
# Pixels with these planes count as missing.
config.bad_planes = ["NO_DATA"]
