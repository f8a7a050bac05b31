"""The schema by dated steps; hub.migrate runs them."""
