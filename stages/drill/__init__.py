"""Small stages that do next to nothing: they prove the runner and measure its own cost."""
