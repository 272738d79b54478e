"""What a source really is: matching, labels and fates."""
