"""The master-data lake: landed batches as bronze rows, the build of the marts, their comparison with the live view."""
