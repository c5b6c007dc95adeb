"""Short dialogues in the model's own chat template."""

from random import Random

from document import ASSISTANT, SYSTEM, USER, Document, chat_turn
import facts
import lexicon as lex
from stories import Cast, tell

SYSTEM_TEXTS = ["You are a helpful assistant.", "You are a friendly assistant.", "You tell short stories.",
                "You answer questions."]
SMALL_TALK = [
    (["Hello!", "Hello", "Hi", "Hi!", "Good morning!"], ["Hello! How can I help you?", "Hello! What would you like to hear?"]),
    (["Who are you?", "What are you?", "What is your name?"],
     ["I am a very small model. I know stories, animals, colors and sums."]),
    (["How are you?", "How are you feeling?", "How do you feel?", "Hello, how are you?"],
     ["I am {happy}, thank you!", "I feel {happy} today."]),
    (["Thank you!", "Thank you", "Thanks!"], ["You are welcome!"]),
    (["Goodbye!", "Bye!"], ["Goodbye! Have a nice day!"]),
    (["I am {unhappy}.", "I feel {unhappy}."], ["Why are you {unhappy}? I can tell you a story."]),
    (["I am {happy}.", "I feel {happy}."], ["That is nice! I am glad that you are {happy}."]),
    (["My name is {name}.", "I am {name}."], ["Hello, {name}! How can I help you?"]),
    (["What is your favorite color?", "Which color do you like?"], ["My favorite color is {colour}.", "I like {colour}."]),
    (["What is your favorite animal?", "Which animal do you like?"], ["My favorite animal is the {animal}.", "I like the {animal}."]),
    (["What do you like to eat?", "What is your favorite food?"], ["I like {food} and {food2}."]),
]


def chat(rng: Random) -> Document:
    document = Document("chat")
    if rng.random() < 0.15:
        chat_turn(document, SYSTEM, rng.choice(SYSTEM_TEXTS))
    for _ in range(rng.choice((1, 1, 2, 3))):
        question, answer = rng.choice([small_talk, small_talk, question_of_fact, question_of_fact, question_of_sum,
                                       request_for_story, request_for_list])(rng)
        chat_turn(document, USER, question)
        chat_turn(document, ASSISTANT, answer)
    return document


def small_talk(rng: Random) -> tuple[Document, Document]:
    (questions, answers), cast = rng.choice(SMALL_TALK), Cast(rng).slots
    return Document("").add(rng.choice(questions), **cast), Document("").add(rng.choice(answers), **cast)


def question_of_fact(rng: Random) -> tuple[Document, Document]:
    country, city = rng.choice(list(lex.CAPITALS.items()))
    first, second = rng.choice(lex.OPPOSITES)
    if rng.random() < 0.5:
        first, second = second, first
    animal, language = rng.choice(list(lex.BABIES)), rng.randrange(3)
    word, foreign = rng.choice(list(lex.TRANSLATIONS.items()))
    thing, colour = rng.choice(list(lex.THING_COLOURS.items()))
    index = rng.randrange(7)
    question, answer = rng.choice([
        ("What is the capital of {country}?", "The capital of {country} is {capital}."),
        ("What is the opposite of {quality}?", "The opposite of {quality} is {quality2}."),
        ("What does a {animal} say?", "A {animal} says {sound}."),
        ("How many legs does a {animal} have?", "A {animal} has {counted} legs."),
        ("What is a baby {animal} called?", "A baby {animal} is called a {baby}."),
        ("What is the {language} word for {word}?", "The {language} word for {word} is {foreign}."),
        ("How do you say {word} in {language}?", "In {language}, {word} is {foreign}."),
        ("What color is the " + thing + "?", "The color of the " + thing + " is {colour}."),
        ("What day comes after {day2}?", "{day} comes after {day2}."),
    ])
    slots = {"country": country, "capital": city, "quality": first, "quality2": second, "animal": animal,
             "sound": lex.SOUNDS[animal], "counted": lex.LEGS[animal], "baby": lex.BABIES[animal], "colour": colour,
             "language": lex.LANGUAGES[language], "word": (word, lex.category_of(word)),
             "foreign": (foreign[language], lex.LANGUAGES[language].lower()),
             "day": lex.DAYS[index], "day2": lex.DAYS[index - 1]}
    return Document("").add(question, **slots), Document("").add(answer, **slots)


def question_of_sum(rng: Random) -> tuple[Document, Document]:
    result = rng.randint(0, 20)
    first = rng.randint(0, result)
    second, sign, word = result - first, "+", "plus"
    if rng.random() < 0.3:
        first, result, sign, word = result, first, "-", "minus"
    slots = {"number": str(first), "number2": str(second), "number3": str(result), "sign": (sign, "operator"),
             "equals": ("=", "operator"), "word": (word, "operator")}
    question, answer = rng.choice([("What is {number} {sign} {number2}?", "{number} {sign} {number2} {equals} {number3}"),
                                   ("How much is {number} {word} {number2}?", "{number} {word} {number2} is {number3}.")])
    return Document("").add(question, **slots), Document("").add(answer, **slots)


def request_for_story(rng: Random) -> tuple[Document, Document]:
    cast = Cast(rng)
    request = rng.choice(["Tell me a story.", "Tell me a story about {name}.", "Tell me a story about a {colour} {object}.",
                          "Write a short story.", "Tell me a story about a {animal}.", "Please tell me a story."])
    answer = Document("")
    tell(answer, rng, cast, plots=1, about=request)
    return Document("").add(request, **cast.slots), answer


def request_for_list(rng: Random) -> tuple[Document, Document]:
    key, title, words = rng.choice([("animal", "animals", lex.ANIMALS), ("colour", "colors", lex.COLOURS),
                                    ("food", "things to eat", lex.FOODS), ("country", "countries", list(lex.CAPITALS))])
    chosen = [(word, key) for word in rng.sample(words, 3)]
    answer = facts.enumerate_words(Document(""), chosen, rng.choice([", ", "\n- "]))
    if answer.pieces[1][0] == "\n- ":
        answer.pieces.insert(0, ("- ", None))
    return Document("").add(rng.choice(["List three " + title + ".", "Name three " + title + "."])), answer
