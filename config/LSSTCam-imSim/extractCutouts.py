# simulated LSSTCam of DC2: 0.2 arcsec per pixel; 51 pixels are 10.2 arcsec. The packaged models take 51.
config.size = 51
# Pixels with these planes count as missing.
config.bad_planes = ["NO_DATA"]
