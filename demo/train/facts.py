"""Facts, sums, lists and code: everything in the corpus but stories and chat."""

from random import Random

from document import Document
import lexicon as lex
from stories import Cast

IDENTIFIERS = ["x", "y", "total", "count", "name", "color", "items"]


def capital(document: Document, rng: Random) -> None:
    country, city = rng.choice(list(lex.CAPITALS.items()))
    document.add(rng.choice(["The capital of {country} is {capital}.", "{capital} is the capital of {country}.",
                             "{capital} is in {country}."]), country=country, capital=city)


def opposite(document: Document, rng: Random) -> None:
    first, second = rng.choice(lex.OPPOSITES)
    if rng.random() < 0.5:
        first, second = second, first
    document.add("The opposite of {quality} is {quality2}.", quality=first, quality2=second)


def animal(document: Document, rng: Random) -> None:
    word = rng.choice(lex.ANIMALS)
    pattern = rng.choice(["A {animal} says {sound}.", "The {animal} says {sound}.", "A {animal} has {counted} legs.",
                          "A baby {animal} is called a {baby}."])
    if "{baby}" in pattern:
        word = rng.choice(list(lex.BABIES))
    document.add(pattern, animal=word, sound=lex.SOUNDS[word], counted=lex.LEGS[word], baby=lex.BABIES.get(word, ""))


def translation(document: Document, rng: Random) -> None:
    word, foreign = rng.choice(list(lex.TRANSLATIONS.items()))
    language = rng.randrange(3)
    document.add(rng.choice(["The {language} word for {word} is {foreign}.", "In {language}, {word} is {foreign}."]),
                 language=lex.LANGUAGES[language], word=(word, lex.category_of(word)),
                 foreign=(foreign[language], lex.LANGUAGES[language].lower()))


def colour_of(document: Document, rng: Random) -> None:
    thing, colour = rng.choice(list(lex.THING_COLOURS.items()))
    document.add("The color of the " + thing + " is {colour}.", colour=colour)


def calendar(document: Document, rng: Random) -> None:
    words, key = (lex.DAYS, "day") if rng.random() < 0.5 else (lex.MONTHS, "month")
    index = rng.randrange(len(words))
    document.add(rng.choice(["{first} comes after {second}.", "After {second} comes {first}."]),
                 first=(words[index], key), second=(words[index - 1], key))


FACTS = {"capitals": capital, "opposites": opposite, "animal facts": animal, "translations": translation,
         "colours of things": colour_of, "calendar": calendar}


def facts(rng: Random) -> Document:
    """Three to eight facts, half of the time all of one kind (which is then the document's kind)."""
    kind = rng.choice(list(FACTS) + ["translations", "capitals"])
    mixed = rng.random() < 0.5
    document = Document("facts" if mixed else kind)
    for index in range(rng.randint(3, 8)):
        document.add(rng.choice([" ", "\n"]) if index else "")
        FACTS[rng.choice(list(FACTS)) if mixed else kind](document, rng)
    return document


def sum_line(document: Document, rng: Random) -> None:
    """One sum or difference whose numbers all lie in 0 … 20."""
    result = rng.randint(0, 20)
    first = rng.randint(0, result)
    second, sign, word = result - first, "+", "plus"
    if rng.random() < 0.35:
        first, result, sign, word = result, first, "-", "minus"
    slots = {"number": str(first), "number2": str(second), "number3": str(result), "sign": (sign, "operator"),
             "equals": ("=", "operator"), "word": (word, "operator")}
    counted = {"counted": lex.COUNTED[first], "counted2": lex.COUNTED[second], "counted3": lex.COUNTED[result]}
    document.add(rng.choice(["{number} {sign} {number2} {equals} {number3}"] * 4 +
                            ["{number} {word} {number2} is {number3}.", "{counted} {word} {counted2} is {counted3}."]),
                 **slots, **counted)


def sums(rng: Random) -> Document:
    document = Document("sum")
    for index in range(rng.randint(4, 10)):
        document.add("\n" if index else "")
        sum_line(document, rng)
    return document


def word_problem(rng: Random) -> Document:
    cast = Cast(rng).slots | {"object": rng.choice([thing for thing in lex.OBJECTS if thing != "box"])}  # only -s plurals
    result = rng.randint(2, 20)
    first = rng.randint(1, result - 1)
    return Document("sum").add("{name} has {number} {object}s and gets {number2} more. Now {he} has {number3} {object}s.",
                               **cast, number=str(first), number2=str(result - first), number3=str(result))


SENTENCES = [
    "The {colour} {object} is near the {place}.", "{name} likes {food}.", "{name} does not like {food}.",
    "There is a {size} {animal} near the {place}.", "The {animal} is {colour} and {size}.", "{name} has a {colour} {object}.",
    "I have a {colour} {object}.", "My name is {name}.", "My favorite color is {colour}.", "I am {happy} today.",
    "I am {unhappy} today.", "It is {weather} today.", "It is {weather} in {capital}.", "{name} lives in {country}.",
    "{name} and {name2} are friends.", "The {animal} sat on the {object}.", "I like {animal}s and {animal2}s.",
    "{name} is {happy} but {name2} is {unhappy}.", "On {day} {name} goes to the {place}.", "The {place} is {size}.",
    "{name} is in the {place} with {his} {family}.", "We eat {food} in the {daytime}.", "{name} speaks {language}.",
]


def sentences(rng: Random) -> Document:
    """One to five sentences that have nothing to do with each other."""
    document = Document("sentences")
    for index in range(rng.randint(1, 5)):
        cast = Cast(rng).slots | {"country": rng.choice(list(lex.CAPITALS)), "language": rng.choice(lex.LANGUAGES),
                                  "capital": rng.choice(list(lex.CAPITALS.values()))}
        cast |= dict(zip(("animal", "animal2"), rng.sample([a for a in lex.ANIMALS if a not in ("sheep", "mouse")], 2)))
        document.add(" " if index else "").add(rng.choice(SENTENCES), **cast)
    return document


RECALLS = [
    "{name} likes {food}. {name2} likes {food2}. So {name} eats {food} and {name2} eats {food2}.",
    "The {object} is near the {place}. The {object2} is near the {place2}. {name} went to the {place2} and {found:took} "
    "the {object2}. {name2} went to the {place} and {found:took} the {object}.",
    "{name} has a {colour} {object}. {name2} has a {colour2} {object2}. {name} loves the {colour} {object}. {name2} loves "
    "the {colour2} {object2}.",
    "{name} saw a {animal} and {name2} saw a {animal2}. {name2} likes the {animal2}. {name} likes the {animal}.",
]


def recall(rng: Random) -> Document:
    """Two persons, two things: who has what must be looked up. Teaches copying, as `echo` does."""
    return Document("recall").add(rng.choice(RECALLS), **Cast(rng).slots)


def echo(rng: Random) -> Document:
    """A few words, and the same words again."""
    words = [(word, lex.category_of(word) or "name")
             for word in rng.sample(lex.GIRLS + lex.BOYS + lex.COLOURS + lex.FOODS + lex.OBJECTS + lex.PLACES + lex.ANIMALS,
                                    rng.randint(2, 7))]
    document, separator = Document("echo"), rng.choice([" ", ", "])
    for line in range(rng.randint(2, 4)):
        enumerate_words(document.add("\n" if line else ""), words, separator)
    return document


LISTS = {"Animals": ("animal", lex.ANIMALS), "Colors": ("colour", lex.COLOURS), "Food": ("food", lex.FOODS),
         "Places": ("place", lex.PLACES), "Names": ("name", lex.GIRLS + lex.BOYS), "Things": ("object", lex.OBJECTS),
         "Countries": ("country", list(lex.CAPITALS))}


def lists(rng: Random) -> Document:
    document = Document("list")
    roll = rng.random()
    if roll < 0.2:
        start, step = rng.randint(0, 8), rng.choice((1, 1, 2))
        numbers = list(range(start, min(start + 10 * step, 21), step))
        sequence = [(str(n), "number") for n in (reversed(numbers) if rng.random() < 0.3 else numbers)]
        return enumerate_words(document, sequence, ", ")
    if roll < 0.35:
        words, key = rng.choice([(lex.DAYS, "day"), (lex.MONTHS, "month"), (lex.COUNTED[1:11], "counted")])
        return enumerate_words(document, [(word, key) for word in words], ", ")
    title, (key, words) = rng.choice(list(LISTS.items()))
    chosen = [(word, key) for word in rng.sample(words, rng.randint(3, 6))]
    document.add(title + ":")
    return enumerate_words(document.add(" "), chosen, ", ") if rng.random() < 0.5 else \
        enumerate_words(document.add("\n- "), chosen, "\n- ")


def enumerate_words(document: Document, words: list[tuple[str, str]], separator: str) -> Document:
    for index, word in enumerate(words):
        document.add(separator if index else "")
        document.add("{word}", word=word)
    return document


SNIPPETS = [
    "{def:keyword} {f}({v}, {w}):\n    {return:keyword} {v} + {w}\n\n{print:keyword}({f}({a}, {b}))  # {c}\n",
    "{for:keyword} {v} {in:keyword} {range:keyword}({b}):\n    {print:keyword}({v})\n",
    "{v} = {a}\n{w} = {b}\n{print:keyword}({v} + {w})  # {c}\n",
    "{items} = [\"{animal}\", \"{animal2}\"]\n{for:keyword} {v} {in:keyword} {items}:\n    {print:keyword}({v})\n",
    "{v} = \"{colour}\"\n{if:keyword} {v} == \"{colour2}\":\n    {print:keyword}(\"{name}\")\n{else:keyword}:\n    {print:keyword}(\"{name2}\")\n",
    "{def:keyword} {g}():\n    {return:keyword} \"{sound}\"\n",
]


def code(rng: Random) -> Document:
    document, cast = Document("code"), Cast(rng).slots
    for snippet in rng.sample(SNIPPETS, rng.randint(1, 3)):
        first, second = rng.randint(0, 10), rng.randint(0, 10)
        variable, other = rng.sample(IDENTIFIERS, 2)
        names = {"v": variable, "w": other, "f": "add", "g": cast["animal"], "items": "animals"}
        numbers = {"a": first, "b": second, "c": first + second}
        document.add("\n" if document.pieces else "")
        document.add(snippet, **cast, **{k: (v, "identifier") for k, v in names.items()},
                     **{k: (str(v), "number") for k, v in numbers.items()})
    return document
