"""Speed and memory, measured. Run by `make bench`; results depend on the machine: believe ratios within one run."""
