"""What buyers say."""

import falcon

from app.services.data import REVIEWS
from app.services.faults import breakable


class Reviews:
    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in REVIEWS:
            raise falcon.HTTPNotFound(title="No such product")
        resp.media = REVIEWS[number]


def app() -> falcon.App:
    service = breakable()
    service.add_route("/reviews/{number:int}", Reviews())
    return service
