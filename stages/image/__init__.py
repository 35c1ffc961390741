"""Pictures of scenes: from a service, from a folder, or drawn."""
