# Two nights of one field with DECam: the test data of SFFT (Hu et al. 2022).
OPTIONS ?= --science 'DEC-OBS04*.fits' --template 'DEC-OBS18*.fits' --instrument DECam
