"""Who makes pictures, one file each."""
