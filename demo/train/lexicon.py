"""The words of the demo corpus, by category.

The category of a word is known when a document is made, so that SAE features can be compared with categories later
(labels.py). A category's key is the slot name that templates use ({colour}, {place2}); its value is what a person
reads in a label.
"""

CATEGORY_TITLES = {
    "name": "a person's name",
    "family": "family and people words",
    "pronoun": "pronouns (he, she, his, her)",
    "animal": "animals",
    "baby": "baby animals",
    "sound": "animal sounds",
    "colour": "colour words",
    "object": "things one can hold",
    "food": "food and drink",
    "place": "places",
    "size": "size and age words",
    "weather": "weather words",
    "daytime": "times of the day",
    "happy": "happy feelings",
    "unhappy": "unhappy feelings",
    "moved": "verbs of movement",
    "took": "verbs of taking, finding, seeing",
    "said": "verbs of speaking",
    "country": "countries",
    "capital": "capital cities",
    "language": "names of languages",
    "french": "French words",
    "spanish": "Spanish words",
    "german": "German words",
    "number": "numbers in digits",
    "operator": "plus, minus and equals signs",
    "counted": "numbers in words",
    "day": "days of the week",
    "month": "months",
    "quality": "qualities with an opposite",
    "opening": "the opening of a story",
    "ending": "the ending of a story",
    "keyword": "keywords of the code",
    "identifier": "names in the code",
}

# Categories that belong together, where one of them alone is too narrow for a feature.
GROUP_TITLES = {
    "colour and size words": ("colour", "size"),
    "feelings": ("happy", "unhappy"),
    "animals and people": ("animal", "family"),
    "numbers": ("number", "counted"),
    "things and food": ("object", "food"),
    "countries and capitals": ("country", "capital"),
    "foreign words": ("french", "spanish", "german"),
    "days and months": ("day", "month"),
    "verbs": ("moved", "took", "said"),
}

GIRLS = "Anna Clara Emma Grace Iris Kate Lily Lucy Mia Nina Rosa Sara".split()
BOYS = "Ben David Felix Henry Jack Leo Max Noah Oscar Paul Sam Tom".split()
COLOURS = "red blue green yellow black white brown pink purple orange gray".split()
PLACES = "garden forest park river school house market beach farm kitchen castle hill lake village library".split()
OBJECTS = "ball box book hat kite boat cup key lamp coat stone flower bell drum bag ring".split()
FOODS = "bread soup cake cheese rice honey pie jam fruit butter".split()
SIZES = "big small little old young tiny".split()
WEATHERS = "sunny rainy windy snowy cold warm".split()
DAYTIMES = "morning evening afternoon night".split()
HAPPY = "happy proud excited glad calm".split()
UNHAPPY = "sad angry afraid tired lonely".split()
MOVED = "walked ran went hurried rode".split()
TOOK = "found saw took lost picked opened dropped gave carried".split()
SAID = "said asked called answered whispered".split()
GIRL_FAMILY = "mother sister grandmother".split()
BOY_FAMILY = "father brother grandfather".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = ("January February March April May June July August September October November "
          "December").split()
COUNTED = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
           "sixteen seventeen eighteen nineteen twenty").split()

CAPITALS = {
    "France": "Paris", "Spain": "Madrid", "Italy": "Rome", "Germany": "Berlin", "England": "London",
    "Russia": "Moscow", "China": "Beijing", "Japan": "Tokyo", "Egypt": "Cairo", "Greece": "Athens",
    "Norway": "Oslo", "Sweden": "Stockholm", "Poland": "Warsaw", "Austria": "Vienna", "Portugal": "Lisbon",
    "Ireland": "Dublin", "Cuba": "Havana", "Peru": "Lima", "Canada": "Ottawa", "Kenya": "Nairobi",
}
SOUNDS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "sheep": "baa", "duck": "quack", "pig": "oink",
    "bird": "tweet", "horse": "neigh", "lion": "roar", "mouse": "squeak", "frog": "croak", "bee": "buzz",
}
BABIES = {"dog": "puppy", "cat": "kitten", "cow": "calf", "sheep": "lamb", "duck": "duckling", "horse": "foal",
          "pig": "piglet", "bird": "chick", "lion": "cub"}
LEGS = {"dog": "four", "cat": "four", "cow": "four", "sheep": "four", "duck": "two", "bird": "two",
        "horse": "four", "bee": "six", "frog": "four", "mouse": "four", "pig": "four", "lion": "four"}
ANIMALS = list(SOUNDS)
OPPOSITES = [("hot", "cold"), ("big", "small"), ("old", "new"), ("fast", "slow"), ("up", "down"), ("day", "night"),
             ("happy", "sad"), ("open", "closed"), ("good", "bad"), ("full", "empty"), ("light", "dark"),
             ("wet", "dry"), ("high", "low"), ("left", "right"), ("first", "last"), ("black", "white")]
# English word: French, Spanish, German.
TRANSLATIONS = {
    "dog": ("chien", "perro", "Hund"), "cat": ("chat", "gato", "Katze"), "house": ("maison", "casa", "Haus"),
    "water": ("eau", "agua", "Wasser"), "bread": ("pain", "pan", "Brot"), "book": ("livre", "libro", "Buch"),
    "red": ("rouge", "rojo", "rot"), "blue": ("bleu", "azul", "blau"), "green": ("vert", "verde", "grün"),
    "horse": ("cheval", "caballo", "Pferd"), "milk": ("lait", "leche", "Milch"), "sun": ("soleil", "sol", "Sonne"),
    "night": ("nuit", "noche", "Nacht"), "friend": ("ami", "amigo", "Freund"), "school": ("école", "escuela", "Schule"),
    "bird": ("oiseau", "pájaro", "Vogel"),
}
LANGUAGES = ["French", "Spanish", "German"]
THING_COLOURS = {"sky": "blue", "grass": "green", "snow": "white", "sun": "yellow", "banana": "yellow",
                 "night": "black", "blood": "red", "milk": "white"}


def category_of(word: str) -> str | None:
    """The category of a bare English word, for sentences that speak about a word itself."""
    for category, words in (("animal", ANIMALS), ("colour", COLOURS), ("food", FOODS), ("place", PLACES),
                            ("object", OBJECTS), ("happy", HAPPY), ("unhappy", UNHAPPY)):
        if word in words:
            return category
    return None
