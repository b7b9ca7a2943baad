"""A service that is not the reference app, as a user of fastdag might write it: everything about a trip to a city."""

from fastdag import App, Breaker, Cache, Graph, Retry, Upstream

places = Upstream("places", "http://places:8080", attempt_timeout=0.5, retry=Retry(attempts=2, backoff=0.001))
weather = Upstream("weather", "http://weather:8080", timeout=0.5, retry=None, breaker=Breaker(consecutive=3, open=5))
hotels = Upstream("hotels", "http://hotels:8080", timeout=0.5, retry=None, cache=Cache(ttl=60))
ALL = (places, weather, hotels)

day = Graph("day")
day.fetch("forecast", weather, "/forecast", params={"at": "{place.at}"}, optional=True, fallback=None)


@day.node(output=False)
def place(context):
    raise NotImplementedError("bound by who includes this graph")


@day.node(output=False)
def sky(forecast=None):
    return "unknown" if forecast is None else forecast["sky"]


trip = Graph("trip", timeout=2.0)
trip.fetch("city", places, "/cities/{path.name}", output="city")
trip.fetch("ids", hotels, "/near", params={"at": "{city.at}"}, optional=True)
trip.fetch("rooms", hotels, "/hotels/{item}", each="ids.found", optional=True, output="rooms")
trip.include(day, prefix="there_", bind={"place": "city"})
trip.include(day, prefix="back_", bind={"place": "home"})


@trip.node
def home(context):
    return {"at": context.query.get("home", "0,0")}


@trip.node(output="advice")
def advice(context, city, there_sky, back_sky, rooms=()):
    beds = sum(room["beds"] for room in rooms)
    return f"{city['name']}: {there_sky} there, {back_sky} back, {beds} beds"


app = App()
app.add_graph("/trips/{name}", trip)
