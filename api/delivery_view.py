"""A delivery for showing, with addresses of its hand-off package."""

from api.schemas.base import TextShown
from api.schemas.records import DeliveryShown
from storage.keys import RENDITIONS
from storage.objects import Objects
from storage.tables import Delivery, Destination


def delivery_shown(objects: Objects, delivery: Delivery, destination: Destination) -> DeliveryShown:
    """The wire form of a delivery. The package is for those who upload it by hand."""
    return DeliveryShown(
        **delivery.model_dump(exclude={"destination_id", "message", "files"}),
        destination=destination.id,
        destination_name=destination.name,
        platform=destination.platform,
        message=TextShown.model_validate(delivery.message) if delivery.message else None,
        files={name: objects.presign_get(RENDITIONS, key, name) for name, key in delivery.files.items()},
    )
