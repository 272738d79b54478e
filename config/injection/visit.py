# lsst.source_injection into visit images, with the catalogues of InjectionCatalogs.yaml.
# Rows are for their own visit.
config.selection = "np.isin(injection_catalog['visit'], {visit})"
# An image on which no fake falls goes on as it is, and its own sources are scored like those of others.
config.process_all_data_ids = True
config.external_psf = False
config.external_photo_calib = False
config.external_wcs = False
config.connections.injection_catalogs = "injection_catalog"
config.connections.input_exposure = "preliminary_visit_image"
config.connections.output_exposure = "fakes_preliminary_visit_image"
config.connections.output_catalog = "fakes_preliminary_visit_image_catalog"
