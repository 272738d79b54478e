"""What `science.py` judges models by: sets of stamps, models, contact sheets, studies and their results."""
