# lsst.source_injection into the template of each image, with the catalogues of InjectionCatalogs.yaml.
# Rows are for their own visit.
config.selection = "np.isin(injection_catalog['visit'], {visit})"
# An image on which no fake falls goes on as it is, and its own sources are scored like those of others.
config.process_all_data_ids = True
config.external_psf = False
config.external_photo_calib = False
config.external_wcs = False
config.connections.injection_catalogs = "template_injection_catalog"
config.connections.input_exposure = "template_detector"
config.connections.output_exposure = "injectedTemplate_template_detector"
config.connections.output_catalog = "injectedTemplate_template_detector_catalog"
