"""Short stories: a person or an animal with a name, a place, a thing of some colour, and a feeling that changes.

Names, colours, things and places persist from sentence to sentence, so that the model must look back to be right.
"""

from random import Random

from document import SLOT, Document
import lexicon as lex


class Cast:
    """The people and things of one story, as template slots."""

    def __init__(self, rng: Random):
        self.slots: dict[str, object] = {}
        girl, friend_girl = rng.random() < 0.5, rng.random() < 0.5
        self._person(rng, "", girl)
        self._person(rng, "2", friend_girl)
        mother = rng.random() < 0.5
        picks = {"colour": lex.COLOURS, "place": lex.PLACES, "object": lex.OBJECTS, "food": lex.FOODS,
                 "size": lex.SIZES, "happy": lex.HAPPY, "unhappy": lex.UNHAPPY, "animal": lex.ANIMALS}
        for key, words in picks.items():
            first, second = rng.sample(words, 2)
            self.slots |= {key: first, key + "2": second}
        self.slots |= {
            "weather": rng.choice(lex.WEATHERS), "daytime": rng.choice(lex.DAYTIMES), "day": rng.choice(lex.DAYS),
            "moved": rng.choice(lex.MOVED), "said": rng.choice(lex.SAID), "sound": lex.SOUNDS[self.slots["animal"]],
            "family": rng.choice(lex.GIRL_FAMILY if mother else lex.BOY_FAMILY),
        }

    def _person(self, rng: Random, suffix: str, girl: bool) -> None:
        taken = self.slots.get("name")
        name = rng.choice([n for n in (lex.GIRLS if girl else lex.BOYS) if n != taken])
        words = ("She", "she", "her", "girl") if girl else ("He", "he", "his", "boy")
        self.slots |= {
            "name" + suffix: name, "He" + suffix: (words[0], "pronoun"), "he" + suffix: (words[1], "pronoun"),
            "his" + suffix: (words[2], "pronoun"), "him" + suffix: ("her" if girl else "him", "pronoun"),
            "child" + suffix: (words[3], "family"),
        }


OPENINGS = [
    "{once} there was a {size} {child} named {name}. ",
    "{once} there lived a {size} {child} named {name} near the {place}. ",
    "{once} a {size} {child} named {name} had a {colour} {object}. ",
    "{once} there was a {size} {animal} named {name}. ",
    "{once} there was a {colour} {animal} named {name}. ",
    "{one} {weather} {daytime}, {name} {moved} to the {place}. ",
    "{one} {day}, {name} {moved} to the {place}. ",
    "{one} day, {name} and {name2} {moved} to the {place}. ",
    "{name} was a {size} {child} who loved {food}. ",
    "It was a {weather} {daytime}. {name} {moved} to the {place} with {his} {family}. ",
]

PLOTS = [
    # A thing is {lost:took} and {found:took}.
    ["{name} had a {colour} {object}. |{name} loved {his} {colour} {object}. |{He} had a {colour} {object} and took it to the {place}. ",
     "One {daytime}, the {colour} {object} was gone. |At the {place}, {he} {lost:took} the {colour} {object}. ",
     "{name} was very {unhappy}. |{He} felt {unhappy} and cried. |{name} looked near the {place} and near the {place2}. ",
     "Then {name2} {found:took} the {colour} {object} near the {place2}. |{name2} came and helped {him}. {They:pronoun} {found:took} the {object} near the {place2}. ",
     "{name} was {happy} again. |Now {name} was {happy}. |{name} thanked {name2} and felt {happy}. "],
    # A gift.
    ["{name} met {name2} at the {place}. |{name} {saw:took} {name2} near the {place}. {name2} looked {unhappy}. ",
     "\"Why are you so {unhappy}, {name2}?\" {said} {name}. |\"I am {unhappy},\" {said2} {name2}. ",
     "{name} {gave:took} {name2} a {colour} {object}. |{name} {opened:took} a bag and took out a {colour} {object}. ",
     "\"This {object} is for you,\" {said:said} {name}. |\"I like {colour},\" {said:said} {name2}. |\"What a nice {colour} {object}!\" {said:said} {name2}. ",
     "{name2} was {happy} and {name} was {happy2}. |{name2} took the {object} and was {happy}. "],
    # An animal.
    ["Near the {place} {he} {saw:took} a {colour} {animal}. |A {size} {animal} sat near the {place}. |{name} had a {colour} {animal}. ",
     "The {animal} {said:said}, \"{sound}, {sound}!\" |The {animal} {said:said} {sound}. ",
     "{name} was {unhappy} at first. |The {animal} looked {unhappy}. |The {animal} wanted some {food}. ",
     "{name} {gave:took} the {animal} some {food}. |{He} carried the {animal} to the {place2}. ",
     "The {animal} was {happy}. |The {animal} and {name} were {happy} together. |Now the {animal} is {his} friend. "],
    # Food.
    ["{His} {family} made {food} in the kitchen. |{name} wanted to eat {food}. |{name} and {his} {family} went to the market for {food}. ",
     "\"May I have some {food}?\" {said} {name}. |\"I like {food} and {food2},\" {said:said} {name}. ",
     "\"Yes, {name},\" said {his} {family}. |{His} {family} {gave:took} {him} {food} and {food2}. ",
     "{name} ate all the {food}. |{name} {gave:took} some {food} to {name2}. |The {food} was warm and good. ",
     "{name} was {happy}. |Then {name} was {tired:unhappy} and went to bed. "],
    # A noise at night.
    ["At night, {name} heard something near the {place}. |{name} heard \"{sound}\" in the dark. ",
     "{He} was {afraid:unhappy} and {called:said} {his} {family}. |{name} was {afraid:unhappy}. \"Who is there?\" {he} {asked:said}. ",
     "{His} {family} {took:took} a {lamp:object} and {opened:took} the door. |{name} {took:took} a {colour} {lamp:object} and went to look. ",
     "It was only a {size} {animal}! |There sat a {colour2} {animal}. It {said:said}, \"{sound}!\" ",
     "{name} was not {afraid:unhappy} any more. |{name} laughed and was {happy}. "],
    # A trip.
    ["{name} and {name2} wanted to go to the {place2}. |\"Let us go to the {place2},\" {said:said} {name2}. ",
     "{They:pronoun} {moved} from the {place} to the {place2}. |On the way {they:pronoun} {saw:took} a {colour} {animal} and a {colour2} {animal2}. ",
     "It was {weather} and {name} was {unhappy}. |At the {place2} {they:pronoun} {found:took} a {colour} {object}. ",
     "\"Look, a {colour} {object}!\" {said} {name2}. |{They:pronoun} sat down and ate {food} and {food2}. ",
     "In the evening they went home and were {happy}. |{name2} felt {happy} and {name} felt {happy} too. "],
]

ENDINGS = [
    "{From} {name} and {name2} were best friends. ", "{The} end.", "{From} {name} loved the {colour} {object}. ",
    "And {they} lived happily ever after. ", "{From} {name} was never {unhappy} again. ", "",
]


def story(rng: Random) -> Document:
    document = Document("story")
    tell(document, rng, Cast(rng), plots=rng.choice((1, 1, 2)))
    return document


def slots_of(template: str) -> set[str]:
    return {word for word, category in SLOT.findall(template) if not category}


def tell(document: Document, rng: Random, cast: Cast, plots: int, about: str = "") -> None:
    """Appends a whole story: an opening, one or two plots, an ending. All slots of `about` occur in it."""
    wanted = slots_of(about)
    openings = [opening for opening in OPENINGS if wanted <= slots_of(opening)]
    slots = dict(cast.slots)
    slots |= {
        "once": (rng.choice(["Once upon a time"] * 4 + ["Once upon a time,", "Long ago", "Once"]), "opening"),
        "one": ("One", "opening"),
        "From": ("From that day on,", "ending"), "The": ("The", "ending"), "they": ("they", "pronoun"),
        "His": (slots["his"][0].capitalize(), "pronoun"), "said2": (rng.choice(lex.SAID), "said"),
    }
    document.add(rng.choice(openings), **slots)
    for plot in rng.sample(PLOTS, plots):
        fresh = Cast(rng).slots  # every plot brings its own food and animals
        slots |= {key: fresh[key] for key in ("food", "food2", "animal", "animal2", "sound")}
        for variants in plot:
            document.add(rng.choice(variants.split("|")), **slots)
    told = {text for text, _ in document.pieces}
    fitting = [ending for ending in ENDINGS
               if all(slots[slot] in told for slot in slots_of(ending) - {"From", "The", "they"})]
    document.add(rng.choice(fitting), **slots)
    text, category = document.pieces[-1]
    document.pieces[-1] = (text.rstrip(" "), category)
