"""The catalogue: films, albums, books and podcasts, all of them invented.

Two lines a title: title, genres from general to specific, year, how many people chose it; then a
description.
"""

from __future__ import annotations

from edge_rerank import Item

FILMS = """
The Salt Road | Adventure, Desert | 2019 | 412
    Two mapmakers cross a dry sea to find the last well of the caravans.
Lighthouse Year | Drama, Sea | 2021 | 655
    A keeper and her grandson count ships through one long winter on a rock.
Perihelion | Science fiction, Space | 2022 | 2310
    A repair crew drifts ever closer to the sun with one engine and no radio.
The Last Tram to Almond Street | Comedy, City | 2017 | 890
    Nine strangers are stuck in a tram overnight, and nobody wants to leave.
A Colder Harbour | Crime, Detective | 2020 | 1740
    An inspector returns to a frozen port where a ship came home without a crew.
Moss | Documentary, Nature | 2018 | 240
    A year on one square metre of forest floor, filmed through a lens of water.
The Understudy's Waltz | Romance, Theatre | 2016 | 760
    On opening night the understudy falls for the man who prompts her lines.
Iron Orchard | Science fiction, Robots | 2023 | 1985
    Farm robots left alone for decades have grown something of their own.
North Face, No Rope | Documentary, Mountains | 2021 | 1120
    Three climbers train five years for eleven hours on a wall of ice.
Mr Pepper Opens a Restaurant | Comedy, Food | 2015 | 980
    A retired postman cooks the food of all the streets he used to walk.
The Cartographer's Daughter | Adventure, Sea | 2014 | 530
    She sails by a map drawn wrong on purpose, to an island left off all others.
Midnight at the Observatory | Romance, Space | 2020 | 470
    Two astronomers share one telescope in shifts and know each other by notes.
Glass Alibi | Crime, Heist | 2022 | 1610
    A glassblower is asked to copy a vase that ought not to exist twice.
Seven Ways to Bake Bread | Documentary, Food | 2019 | 390
    Bakers on seven continents, one of them at a research station in the ice.
The Hollow Choir | Horror, Village | 2018 | 845
    A village sings every night so that it need not listen to what is outside.
Blue Note Junction | Drama, Jazz | 2017 | 690
    A trumpet player comes back to the club where she lost her sound.
Ten Thousand Lanterns | Animation, Fantasy | 2021 | 2045
    A girl carries her river's light upstream, one lantern at a time.
The Snail and the Comet | Animation, Family | 2023 | 1830
    A small snail means to be on the hill before the comet passes.
Quartermaster | War, Sea | 2013 | 615
    A supply officer keeps a besieged island fed with four boats and much fog.
Letters to an Unbuilt House | Drama, City | 2022 | 320
    An architect and a carpenter quarrel by post about a staircase.
Signal from Hut Nine | Thriller, Mountains | 2019 | 1275
    In a storm one alpine hut answers the radio that burnt down years ago.
The Beekeepers' Strike | Comedy, Village | 2018 | 705
    When the beekeepers of a valley stop working, so do all the weddings.
Orbit of a Swallow | Documentary, Birds | 2020 | 285
    Eleven thousand kilometres beside one bird, from a barn to a lagoon.
Copper Moon | Science fiction, Space | 2016 | 1395
    Miners on a far moon vote on whether to send anything home at all.
""".strip()

ALBUMS = """
Slow Trains South | Folk, Guitar | 2018 | 540
    Twelve songs for guitar and harmonium, written between two stations.
Eleven O'Clock Standards | Jazz, Piano | 2015 | 720
    A trio plays the old songs late, soft, and with the windows open.
Tidewater | Ambient, Sea | 2021 | 610
    Field recordings of a harbour under long chords that rise and fall.
Brass for the Whole Street | Jazz, Brass | 2019 | 830
    A marching band leaves the parade and takes over the block.
Gravity Sings | Electronic, Space | 2022 | 1260
    Synthesizers tuned to the hum of pulsars and slow machines.
Kitchen Radio | Pop, Summer | 2023 | 1930
    Ten bright songs made to be turned up while something is on the stove.
The Winter Suites | Classical, Cello | 2014 | 465
    Six suites for one cello, recorded in an unheated chapel.
Night Bus Ballads | Soul, City | 2020 | 1015
    Songs about the last ride home, sung close to the microphone.
Drum School | World, Percussion | 2017 | 350
    Four masters and their pupils, recorded in a courtyard in one take.
Wool and Wire | Folk, Fiddle | 2016 | 415
    Reels and laments for two fiddles and a borrowed bass.
Analogue Garden | Electronic, Ambient | 2019 | 905
    A modular synthesizer, a greenhouse, and microphones among the leaves.
Hot Pavement | Hip hop, City | 2022 | 1780
    Fast verses over slow horns about one July in one street.
Requiem for a Lighthouse | Classical, Choir | 2018 | 380
    A choral work in seven movements, one for every flash.
Late Set at the Blue Heron | Jazz, Trumpet | 2021 | 760
    A quartet live, with rain on the roof and a trumpet with a mute.
Songs My Robot Wrote | Pop, Experimental | 2023 | 645
    Melodies by a homemade machine and words by its tired maker.
Mountain Harmony | Folk, Choir | 2013 | 295
    Shepherds' songs in four parts from three valleys.
Thunder Practice | Rock, Guitar | 2020 | 1440
    Loud, short and recorded in a barn with the doors shut.
Paper Lanterns | Pop, Ballads | 2018 | 1105
    Piano songs about leaving a town and missing it at once.
Nocturnes for a Small Flat | Classical, Piano | 2022 | 590
    Quiet pieces to be played after ten without waking anyone.
Dust Devils | Rock, Desert | 2017 | 870
    Slow heavy guitars from a studio two hours from the nearest road.
The Orchard Sessions | Country, Acoustic | 2019 | 520
    Banjo, voices and apples falling, recorded out of doors.
Low Orbit Disco | Electronic, Dance | 2021 | 1690
    Bass lines for floating: an hour of disco with the lights off.
""".strip()

BOOKS = """
A Handbook of Small Boats | Non-fiction, Sailing | 2016 | 430
    How to rig, reef, mend and be becalmed, with drawings of every knot.
The Clockmaker Vanishes | Crime, Detective | 2019 | 1580
    The first case of Inspector Vey: a locked shop, forty clocks, one stopped.
The Second Clock | Crime, Detective | 2021 | 1340
    Inspector Vey is asked to find a death that has not happened yet.
Beneath the Ice, a City | Science fiction, Ocean | 2022 | 1490
    Engineers under a frozen moon vote on whether to open the roof.
Bread of Patience | Non-fiction, Baking | 2018 | 940
    Sourdough week by week, for people with little time and one oven.
The Weather Gardener | Fantasy, Garden | 2020 | 1120
    An apprentice learns to prune clouds and drowns the wrong valley.
A Short Walk Along the Spine | Travel, Mountains | 2015 | 480
    Nine hundred kilometres on foot along a ridge, with a stubborn mule.
How Stars Grow Old | Non-fiction, Astronomy | 2017 | 860
    The lives of stars told through the people who first understood them.
The Tin Parliament | Science fiction, Robots | 2023 | 1275
    Retired household robots found a parliament and cannot agree on a chair.
Letters from the Tea Road | History, Trade | 2014 | 390
    A thousand years of trade in leaves, horses, silver and gossip.
Salt in the Piano | Novel, Family | 2021 | 1010
    Three sisters sell the house by the sea and find what is inside the walls.
The Jazz Cellar Murders | Crime, Jazz | 2018 | 895
    Someone kills a critic between the second set and the third.
What the River Kept | Novel, Village | 2019 | 735
    A drought uncovers a drowned village, and its last baker comes home.
Field Guide to City Birds | Non-fiction, Birds | 2016 | 310
    Eighty birds you can see from a balcony, and what they are shouting.
The Cartographers of Air | Fantasy, Adventure | 2022 | 1365
    Balloonists map the roads of the wind and find one that is guarded.
Cooking for One and a Half | Non-fiction, Cooking | 2020 | 1230
    Ninety dinners for small kitchens, with tomorrow's lunch in mind.
Ladder of Monsoons | Novel, Love | 2017 | 640
    Two weather observers on two coasts fall in love by telegraph.
The Chess Player of Harbour Lane | Novel, Games | 2015 | 560
    A dock worker beats a grandmaster once and is asked about it for life.
Engines of the Quiet Age | History, Technology | 2018 | 520
    Wind, water and horses: how the world was driven before steam.
Do Not Feed the Comet | Children, Space | 2023 | 1190
    A boy keeps a very small comet in the bath until it starts to grow.
The Lantern Fox | Children, Fantasy | 2021 | 1410
    A fox who is afraid of the dark is given a lantern and a long errand.
A Garden on the Roof | Non-fiction, Garden | 2019 | 675
    Tomatoes, bees and a lawn for one chair, five floors above the street.
The Winter Route | Travel, Winter | 2022 | 445
    By sledge, ferry and one lent tractor around the top of a country.
Third Shift at the Observatory | Novel, Astronomy | 2020 | 505
    A night porter reads every log since 1911 and finds the same hand in all.
Vey and the Drowned Bell | Crime, Sea | 2023 | 1150
    An island rings a bell that sank a hundred years ago.
The Art of the Long Climb | Non-fiction, Climbing | 2021 | 585
    Training, fear and breakfast: notes of a guide after thirty years.
""".strip()

PODCASTS = """
Slow Oven | Food, Baking | 2021 | 980
    Two bakers talk through one loaf an episode and always burn something.
The Night Sky Tonight | Science, Astronomy | 2020 | 1320
    Ten minutes on what to look for after dark, with or without a telescope.
Cold Cases, Warm Tea | Crime, True crime | 2019 | 2110
    Two retired detectives read old files and disagree politely.
Sea Lanes | History, Sea | 2022 | 540
    How pilots, smugglers and whales learnt the same routes.
Rehearsal Room B | Music, Jazz | 2018 | 465
    Players take a tune apart, bar by bar, and put it back together.
Seeds and Weeds | Home, Garden | 2021 | 760
    What to do in the garden this week, and what you may leave undone.
The Hut Book | Outdoors, Mountains | 2020 | 610
    Stories that climbers wrote in the guest books of alpine huts.
My First Robot | Technology, Robots | 2023 | 1045
    Inventors on the first machine they built and what it broke.
Bedtime for Bears | Family, Stories | 2022 | 1570
    A quiet story for children every night, with a yawn built in.
The Secondhand Bookshop | Books, Interviews | 2019 | 820
    A bookseller asks guests for the one book they never gave back.
Platform Four | Travel, Trains | 2021 | 690
    A journey by night train each week, recorded from the corridor.
Small Histories | History, Everyday | 2018 | 930
    Buttons, spoons, kerbs: the past of things you touched today.
Bird Before Breakfast | Nature, Birds | 2023 | 520
    One bird, one song, and five minutes outside before the day starts.
Loud and Then Quiet | Music, Rock | 2020 | 735
    Bands play the demo that they were ashamed of and tell why.
Orbital Mechanics | Science, Space | 2022 | 1185
    Engineers explain one manoeuvre, from the first sketch to the burn.
Supper Club | Food, Cooking | 2019 | 1260
    Cooks and their guests, recorded at the table, forks and all.
Laughing Matter | Comedy, Interviews | 2021 | 1890
    Comedians explain one joke until it is no longer funny.
The Long Correspondence | Love, Letters | 2022 | 610
    Actors read the letters of people who waited for each other.
""".strip()

MEDIA = {"Film": FILMS, "Album": ALBUMS, "Book": BOOKS, "Podcast": PODCASTS}


def load_catalogue() -> tuple[Item, ...]:
    """Every title; the fields say medium and year."""
    return tuple(item for medium, text in MEDIA.items() for item in _read(medium, text))


def _read(medium: str, text: str) -> list[Item]:
    lines = text.splitlines()
    items = []
    for head, description in zip(lines[::2], lines[1::2], strict=True):
        title, genres, year, chosen = head.split(" | ")
        items.append(
            Item(
                f"{medium}-{title}".lower().replace(" ", "-"),
                f"{title}\n{description.strip()}",
                [medium, *genres.split(", ")],
                popularity=int(chosen),
                fields={"medium": medium, "year": int(year)},
            )
        )
    return items
