"""What a fitted lens looks like on any grid: its mass, its light, its source without the lens; as arrays and files."""
from lensfit.maps.map_files import maps_file
from lensfit.maps.maps import Maps
from lensfit.maps.regions import regions_text
from lensfit.maps.sky_grid import on_grid

__all__ = ["Maps", "maps_file", "on_grid", "regions_text"]
