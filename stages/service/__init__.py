"""Ground for stages that ask services over the network."""
