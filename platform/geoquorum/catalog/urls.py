"""Pages and media of the catalog."""

from django.urls import path

from geoquorum.catalog import drawing, incoming, sample_page, views

app_name = "catalog"
urlpatterns = [
    path("", views.list_regions, name="regions"),
    path("files/<slug:slug>/", incoming.bring_files, name="files"),
    path("regions/<int:region_id>/", views.show_region, name="region"),
    path("regions/<int:region_id>/areas/", drawing.show_drawing, name="areas"),
    path("regions/<int:region_id>/areas.kml", drawing.download_areas, name="areas_kml"),
    path("regions/<int:region_id>/areas/save/", drawing.save_area, name="save_area"),
    path("regions/<int:region_id>/areas/<int:sample_id>/remove/", drawing.remove_drawn, name="remove_area"),
    path("regions/<int:region_id>/tile/<slug:modality>/<slug:view>/<slug:cell>.png", drawing.show_tile, name="tile"),
    path("scenes/<int:scene_id>/look.png", views.show_scene, name="scene_look"),
    path("assets/<int:asset_id>/look.png", views.show_asset, name="asset_look"),
    path("samples/<int:sample_id>/", sample_page.show_sample, name="sample"),
    path("samples/<int:sample_id>/picture/<slug:modality>/<slug:view>.png", views.show_picture, name="picture"),
    path("samples/<int:sample_id>/photo.jpg", views.show_photo, name="photo"),
    path("samples/<int:sample_id>/values/<slug:modality>.bin", views.show_values, name="values"),
]
