"""Seeded sample data: daily partitions of the `web_events` stream as a tag manager exports them.

The events are drawn and written by ClickHouse SQL in an in-memory chDB session. Every draw is a
hash of (seed, day, session, purpose), so a file depends on the seed, its date and the rows per day
alone: not on the number of threads, nor on which other days are written with it.

Shares that a gate looks at (purchases, pages per session, carts) are drawn from evenly spread
sequences rather than independently, so that a small sample is as steady as a large one.
"""

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import chdb

HEADER = "client_id,page_url,referrer,timestamp,event_name,event_data,user_agent"

_SHOP = "https://shop.example"
_COMPRESSIONS = {"": "none", "gz": "gzip", "zst": "zstd"}
_MAX_ROWS_PER_DAY = 100_000_000  # six digits of order number per day are enough up to here

# No session may cross midnight: the last one starts at 23:30 and the longest lasts 27 minutes.
_LAST_START_MINUTE = 23 * 60 + 30
# fmt: off
_HOURLY_WEIGHTS = (
    30, 20, 14, 11, 11, 15, 25, 40, 55, 65, 70, 74,
    78, 76, 74, 76, 82, 92, 108, 120, 118, 98, 70, 46,
)
# fmt: on
_WEEKDAY_FACTOR = Fraction(96, 100)
_WEEKEND_FACTOR = Fraction(110, 100)  # five weekdays and two weekend days average to 1

# Sessions by how far they get, in per mille of all sessions; the rest only browses.
_PURCHASE_PER_MILLE = 21
_ABANDONED_CHECKOUT_PER_MILLE = 15
_ABANDONED_CART_PER_MILLE = 26
_BOT_PER_MILLE = 24
_POPUP_PER_MILLE = 42

# Shares in percent of sessions, by number of page views after the landing page (0 to 11).
_BROWSED_PAGES = (35, 20, 14, 10, 7, 5, 3, 2, 1, 1, 1, 1)
# Shares in percent of carts, by number of products put into the cart (1 to 3).
_CART_LINES = (70, 22, 8)

_EMPTY_CLIENT_PER_100K = 500
_DUPLICATE_PER_100K = 50
_PURCHASES_PER_ZERO_VALUE = 100

# Kinds of step in a session. A cart step carries its line number (1 to 3) times 16.
_LANDING, _POPUP, _BROWSE, _PRODUCT, _ADD, _CART, _CHECKOUT, _FORM, _PURCHASE = range(1, 10)
_KIND_EVENTS = (
    "page_viewed",
    "email_filled_on_popup",
    "page_viewed",
    "page_viewed",
    "product_added_to_cart",
    "page_viewed",
    "checkout_started",
    "page_viewed",
    "checkout_completed",
)
# Pause before a step in milliseconds, by kind: at least, and how much longer at most.
_PAUSE_MIN = (0, 6_000, 4_000, 4_000, 5_000, 900, 10_000, 3, 60_000)
_PAUSE_SPAN = (1, 34_000, 71_000, 71_000, 40_000, 2_000, 80_000, 40, 180_000)

_QUEEN, _KING, _TWIN = '60"W x 80"L', '76"W x 80"L', '38"W x 75"L'
# Item id, name, variant, product page, price in cents. Cents are 00 or 50, so that a sum of
# prices is exact in binary floating point too. The number of products must be prime.
_PRODUCTS = (
    ("MT-HRB-T", "Harbor Foam Mattress", f"Twin, {_TWIN}", "harbor-mattress", 44900),
    ("MT-HRB-Q", "Harbor Foam Mattress", f"Queen, {_QUEEN}", "harbor-mattress", 74900),
    ("MT-HRB-K", "Harbor Foam Mattress", f"King, {_KING}", "harbor-mattress", 94900),
    ("MT-DNE-Q", "Dune Hybrid Mattress", f"Queen, {_QUEEN}", "dune-hybrid", 109900),
    ("MT-DNE-K", "Dune Hybrid Mattress", f"King, {_KING}", "dune-hybrid", 129900),
    ("TP-CLD-Q", 'Cloud Topper 2.5"', f"Soft / Queen, {_QUEEN}", "cloud-topper", 18950),
    ("TP-CLD-K", 'Cloud Topper 2.5"', f"Firm / King, {_KING}", "cloud-topper", 22950),
    ("BF-OAK-Q", "Oak Bed Frame", f"Queen, {_QUEEN}", "oak-bed-frame", 64900),
    ("BF-OAK-K", "Oak Bed Frame", f"King, {_KING}", "oak-bed-frame", 79900),
    ("BA-LFT-Q", "Lift Adjustable Base", f"Queen, {_QUEEN}", "lift-base", 89900),
    ("SH-LIN-Q", "Linen Sheet Set", "Queen / Sand", "linen-sheets", 12950),
    ("SH-LIN-K", "Linen Sheet Set", "King / Slate", "linen-sheets", 14950),
    ("PL-DWN-1", "Down Pillow", "Standard", "down-pillow", 6950),
    ("PL-MEM-1", "Memory Pillow", "Contour", "memory-pillow", 5900),
    ("PR-WTR-Q", "Waterproof Protector", f"Queen, {_QUEEN}", "protector", 7900),
    ("CM-ALL-Q", "All Season Comforter", "Queen / White", "comforter", 17900),
    ("NS-OAK-1", "Oak Nightstand", '18"W x 24"H', "oak-nightstand", 24950),
)
_NULL_ITEM = (
    '{"item_id":null,"item_name":null,"item_variant":null,"quantity":null,"item_price":null}'
)

# Pages and their shares in percent.
_LANDING_PAGES = (
    ("/", 24),
    ("/products/harbor-mattress", 20),
    ("/products/dune-hybrid", 14),
    ("/products/cloud-topper", 8),
    ("/products/oak-bed-frame", 5),
    ("/collections/mattresses", 8),
    ("/collections/bedding", 5),
    ("/pages/summer-sale", 5),
    ("/blog/mattress-size-guide", 4),
    ("/blog/how-to-wash-a-comforter", 4),
    ("/blog/side-sleepers", 3),
)
_BROWSED_PATHS = (
    ("/", 10),
    ("/products/harbor-mattress", 16),
    ("/products/harbor-mattress?size=queen", 8),
    ("/products/dune-hybrid", 13),
    ("/products/cloud-topper", 7),
    ("/products/oak-bed-frame", 6),
    ("/products/linen-sheets", 5),
    ("/products/lift-base", 4),
    ("/collections/mattresses", 8),
    ("/collections/bedding", 6),
    ("/pages/reviews", 5),
    ("/pages/sleep-trial", 4),
    ("/pages/contact", 3),
    ("/pages/stores", 2),
    ("/search?q=pillow", 2),
    ("/cart", 1),
)
# How a session arrives: (referrer, query of the landing page), share in percent. A query ending
# in `=` is completed with a click id.
_ARRIVALS = (
    (("", ""), 32),
    (("", "?utm_source=newsletter&utm_medium=email&utm_campaign=weekly"), 6),
    (("", "?utm_source=sms&utm_medium=text"), 2),
    (("https://www.google.com/", ""), 22),
    (("https://www.google.com/", "?utm_source=google&utm_medium=cpc&gclid="), 8),
    (("https://m.facebook.com/", "?utm_source=facebook&utm_medium=paid_social&fbclid="), 8),
    (("https://m.facebook.com/", ""), 5),
    (("https://l.instagram.com/", "?utm_source=instagram&utm_medium=social"), 4),
    (("https://www.bing.com/", ""), 4),
    (("https://duckduckgo.com/", ""), 2),
    (("https://www.daily-ledger.example/", ""), 3),
    (("https://home-weekly.example/", "?utm_source=homeweekly&utm_medium=affiliate"), 3),
    (("https://sleep-review.example/", ""), 1),
)
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_USER_AGENTS = (
    (f"{_IPHONE} 18_5 like Mac OS X) {_WEBKIT} Version/18.5 Mobile/15E148 Safari/604.1", 9),
    (f"{_IPHONE} 18_5 like Mac OS X) {_WEBKIT} Mobile/15E148", 9),
    (f"{_IPHONE} 17_6_1 like Mac OS X) {_WEBKIT} Version/17.6 Mobile/15E148 Safari/604.1", 3),
    (f"{_IPHONE} 18_5 like Mac OS X) {_WEBKIT} CriOS/137.0.7151.51 Mobile/15E148 Safari/604.1", 4),
    (f"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) {_WEBKIT} Version/18.5 Safari/604.1", 4),
    (f"{_ANDROID} {_BLINK} Chrome/137.0.0.0 Mobile Safari/537.36", 21),
    (f"{_ANDROID} {_BLINK} Chrome/136.0.0.0 Mobile Safari/537.36", 5),
    ("Mozilla/5.0 (Android 15; Mobile; rv:139.0) Gecko/139.0 Firefox/139.0", 6),
    (f"{_WINDOWS}) {_BLINK} Chrome/137.0.0.0 Safari/537.36", 13),
    (f"{_WINDOWS}) {_BLINK} Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0", 5),
    (f"{_WINDOWS}; rv:139.0) Gecko/20100101 Firefox/139.0", 7),
    (f"{_MAC} {_WEBKIT} Version/18.5 Safari/605.1.15", 7),
    (f"{_MAC} {_BLINK} Chrome/137.0.0.0 Safari/537.36", 6),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0", 1),
)
_BOT_USER_AGENTS = (
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 70),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", 30),
)


@dataclass(frozen=True)
class SampleSpec:
    """What to generate.

    Attributes:
        first_date: UTC date of the first partition.
        days: Number of consecutive daily partitions, at least 1.
        rows_per_day: Approximate mean number of rows of a partition, 1 to 100 million. A day
            deviates from it by its weekday (weekends have some 15 % more) and by up to 3 %.
        seed: Any non-negative integer below 2**64; another seed gives other data.
        compression: Suffix of the files: "" for plain CSV, "gz" or "zst".

    Raises:
        ValueError: An attribute is out of range.
    """

    first_date: datetime.date
    days: int = 14
    rows_per_day: int = 3000
    seed: int = 42
    compression: str = ""

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError(f"days is {self.days}; ask for at least one day")
        if not 1 <= self.rows_per_day <= _MAX_ROWS_PER_DAY:
            raise ValueError(
                f"rows_per_day is {self.rows_per_day}; choose between 1 and {_MAX_ROWS_PER_DAY}"
            )
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed is {self.seed}; choose a non-negative integer below 2**64")
        if self.compression not in _COMPRESSIONS:
            raise ValueError(
                f"compression is {self.compression!r}; choose '' (plain CSV), 'gz' or 'zst'"
            )


def write_sample(directory: Path, spec: SampleSpec) -> list[Path]:
    """Write one file `events_YYYYMMDD.csv[.gz|.zst]` per day and return the paths in date order.

    Each file is RFC 4180 CSV with LF line ends, minimal quoting and the header `HEADER`, ordered by
    timestamp. The same spec gives the same bytes. A file appears under its name only when it is
    complete; until then it is a dot-file beside it. Peak memory is about 300 MB and 900 bytes per
    row of one day; a million rows take about two seconds on two cores.

    No other chDB session on a data folder may be open in the process. The session used here is
    closed on return, so that one can be opened afterwards.

    Args:
        directory: Where the files go; created when missing. Its path has none of `*?{}`.
        spec: What to generate.

    Raises:
        FileExistsError: One of the files exists already; nothing is written then.
        ValueError: The path of the directory holds a character that ClickHouse takes for a glob.
    """
    directory = directory.resolve()
    if set("*?{}") & set(str(directory)):
        raise ValueError(f"{directory} contains one of *?{{}}; choose a directory without them")
    suffix = f".csv.{spec.compression}" if spec.compression else ".csv"
    dates = [spec.first_date + datetime.timedelta(days=n) for n in range(spec.days)]
    paths = [directory / f"events_{date:%Y%m%d}{suffix}" for date in dates]
    existing = [path for path in paths if path.exists()]
    if existing:
        raise FileExistsError(
            f"{existing[0]} exists already ({len(existing)} of {len(paths)} files do); "
            "delete the files or choose another directory"
        )
    directory.mkdir(parents=True, exist_ok=True)
    connection = chdb.connect(":memory:")
    try:
        for date, path in zip(dates, paths, strict=True):
            part = path.with_name(f".{path.name}.part")
            try:
                connection.query(_insert_sql(part, spec, date))
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    finally:
        connection.close()
    return paths


@dataclass(frozen=True)
class _DayPlan:
    """How many sessions of each sort a day has; the sorts are consecutive ranges of the index."""

    number: int  # days since 1970-01-01
    sessions: int
    purchases: int
    checkouts: int  # purchases included
    carts: int  # checkouts included
    people: int  # everything but bots
    duplicates: int  # rows
    usual_purchases: int  # of an average day


def _plan(spec: SampleSpec, date: datetime.date) -> _DayPlan:
    number = date.toordinal() - datetime.date(1970, 1, 1).toordinal()
    weekly = _WEEKEND_FACTOR if date.weekday() >= 5 else _WEEKDAY_FACTOR
    noise = 1 + Fraction(_fixed_draw(spec.seed, number, "rows", 601) - 300, 10_000)
    rows = spec.rows_per_day * weekly * noise
    usual_sessions = spec.rows_per_day / _events_per_session()
    sessions = max(1, round(rows / _events_per_session()))
    willing = 1 + Fraction(_fixed_draw(spec.seed, number, "willing", 101) - 50, 1000)
    purchases = round(sessions * willing * _PURCHASE_PER_MILLE / 1000)
    checkouts = purchases + round(sessions * willing * _ABANDONED_CHECKOUT_PER_MILLE / 1000)
    carts = checkouts + round(sessions * willing * _ABANDONED_CART_PER_MILLE / 1000)
    duplicates = round(rows * _DUPLICATE_PER_100K / 100_000)
    return _DayPlan(
        number=number,
        sessions=sessions,
        purchases=purchases,
        checkouts=checkouts,
        carts=carts,
        people=sessions - round(Fraction(sessions * _BOT_PER_MILLE, 1000)),
        duplicates=max(duplicates, 1 if spec.rows_per_day >= 1000 else 0),
        usual_purchases=round(usual_sessions * _PURCHASE_PER_MILLE / 1000),
    )


def _events_per_session() -> Fraction:
    bots = Fraction(_BOT_PER_MILLE, 1000)
    purchases = Fraction(_PURCHASE_PER_MILLE, 1000)
    checkouts = purchases + Fraction(_ABANDONED_CHECKOUT_PER_MILLE, 1000)
    carts = checkouts + Fraction(_ABANDONED_CART_PER_MILLE, 1000)
    browsed = Fraction(sum(n * share for n, share in enumerate(_BROWSED_PAGES)), 100)
    lines = Fraction(sum(n * share for n, share in enumerate(_CART_LINES, start=1)), 100)
    popups = (1 - bots) * Fraction(_POPUP_PER_MILLE, 1000)
    # A bot views one page or two.
    return (
        1 + (1 - bots) * browsed + bots / 2 + popups + carts * lines * 3 + checkouts * 2 + purchases
    )


def _fixed_draw(seed: int, day: int, purpose: str, modulus: int) -> int:
    digest = hashlib.sha256(f"{seed} {day} {purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % modulus


def _start_quantiles() -> list[int]:
    """1001 quantiles of the time of day at which a session starts, in milliseconds."""
    weights = []
    for minute in range(_LAST_START_MINUTE):
        hour, rest = divmod(minute - 30, 60)  # an hour's weight holds at its middle
        before, after = _HOURLY_WEIGHTS[hour % 24], _HOURLY_WEIGHTS[(hour + 1) % 24]
        weights.append(before * (60 - rest) + after * rest)
    total = sum(weights)
    quantiles, minute, passed = [], 0, 0
    for k in range(1001):
        target = total * k // 1000
        while minute < len(weights) - 1 and passed + weights[minute] < target:
            passed += weights[minute]
            minute += 1
        quantiles.append(minute * 60_000 + (target - passed) * 60_000 // weights[minute])
    return quantiles


def _insert_sql(path: Path, spec: SampleSpec, date: datetime.date) -> str:
    """One statement that writes one day: sessions, their steps in time, then lines of text."""
    plan = _plan(spec, date)
    return f"""
insert into function file(
    {_text(str(path))}, 'LineAsString', 'line String', '{_COMPRESSIONS[spec.compression]}'
)
with

sessions as ({_sessions_sql(spec.seed, plan, date)}),

steps as ({_steps_sql()}),

lines as ({_lines_sql(date)})

select line
from (
    select '{HEADER}' as line, toInt64(-1) as at, toUInt64(0) as session, toUInt64(0) as n
    union all
    select line, at, session, n from lines
)
order by at, session, n
settings engine_file_truncate_on_insert = 1
"""


def _sessions_sql(seed: int, plan: _DayPlan, date: datetime.date) -> str:
    """One row per session: who comes back from where, how far the visit gets, what is bought."""
    day = f"toInt64({plan.number})"
    agents = [_csv(agent) for agent, _ in _USER_AGENTS]
    bot_agents = [_csv(agent) for agent, _ in _BOT_USER_AGENTS]
    people = max(plan.people, 1)
    products = len(_PRODUCTS)
    shift = _fixed_draw(seed, plan.number, "shift", 1_000_000_000)
    quantiles = _start_quantiles()

    def own(purpose: str) -> str:
        return f"cityHash64(key, '{purpose}')"

    def start(key: str) -> str:
        draw = f"cityHash64({key}, 'start')"
        left = f"{_array(quantiles)}[1 + {draw} % 1000]"
        width = _array([b - a for a, b in pairwise(quantiles)])
        return (
            f"toInt64({left} + intDiv(bitShiftRight({draw}, 40) * "
            f"{width}[1 + {draw} % 1000], 16777216))"
        )

    def spread(multiplier: int) -> str:
        return f"intDiv((number * {multiplier} + {shift}) % 1000000000, 10000000)"

    def key(day_sql: str, index_sql: str) -> str:
        return f"cityHash64(toUInt64({seed}), {day_sql}, toUInt64({index_sql}))"

    items = [
        json.dumps(
            {"item_id": item_id, "item_name": name, "item_variant": variant},
            separators=(",", ":"),
        ).removesuffix("}")
        + ',"quantity":'
        for item_id, name, variant, _, _ in _PRODUCTS
    ]
    prices = [cents for *_, cents in _PRODUCTS]
    return f"""
    select
        *,
        depth = 0 as is_bot,
        concat(
            toString(
                {plan.number * 86_400}
                + 86400 * (client_day - {day})
                + intDiv({start("client_key")}, 1000)
                - if(client_hash % 100 < 55, 0, intDiv(client_hash, 100) % 1728000)
            ),
            '-',
            left(base64URLEncode(reinterpretAsFixedString(client_hash)), 8)
        ) as client_id,
        lower(hex(SHA256(concat('shopper-', toString(client_hash))))) as user_email,
        if(
            is_bot,
            {_pick(bot_agents, _BOT_USER_AGENTS, "client_hash")},
            {_pick(agents, _USER_AGENTS, "client_hash")}
        ) as user_agent,
        lower(hex({own("checkout")})) as checkout_token,
        arrayMap(line -> (first_product + line * product_step) % {products}, range(cart_lines))
            as cart_products,
        arrayMap(line -> 1 + (cityHash64(key, line, 'quantity') % 8 = 0), range(cart_lines))
            as quantities,
        arraySum(
            arrayMap((p, q) -> {_array(prices)}[1 + p] * q, cart_products, quantities)
        ) as cents,
        if(depth < 4, '', concat(
            '{{"transaction_id":"ORD-{date:%Y%m%d}-',
            leftPad(toString((number * 387421 + {shift}) % 1000000), 6, '0'),
            '","revenue":',
            if(is_zero_value, '0', {_money("cents")}),
            ',"items":[',
            if(is_zero_value, '{_NULL_ITEM}', arrayStringConcat(arrayMap(
                (p, q) -> concat(
                    {_array(items)}[1 + p],
                    toString(q),
                    ',"item_price":',
                    {_array([_money_text(cents) for cents in prices])}[1 + p],
                    '}}'
                ),
                cart_products,
                quantities
            ), ',')),
            '],"user_email":"',
            user_email,
            '"}}'
        )) as order_json,
        arrayConcat(
            [{_LANDING}],
            if(has_popup, [{_POPUP}], []),
            arrayResize(emptyArrayUInt8(), browsed_pages, {_BROWSE}),
            arrayFlatten(arrayMap(
                line -> [16 * line + {_PRODUCT}, 16 * line + {_ADD}, 16 * line + {_CART}],
                range(1, cart_lines + 1)
            )),
            if(depth >= 3, [{_CHECKOUT}, {_FORM}], []),
            if(depth >= 4, [{_PURCHASE}], [])
        ) as codes
    from (
        select
            number,
            {key(day, "number")} as key,
            multiIf(
                number < {plan.purchases}, 4,
                number < {plan.checkouts}, 3,
                number < {plan.carts}, 2,
                number < {plan.people}, 1,
                0
            ) as depth,
            -- Fractional parts of multiples of an irrational number fill the range evenly.
            toUInt8(if(
                depth = 0,
                {own("bot pages")} % 2,
                {_array(_expand(_BROWSED_PAGES))}[1 + {spread(618033989)}]
            )) as browsed_pages,
            toUInt8(if(
                depth < 2, 0, 1 + {_array(_expand(_CART_LINES))}[1 + {spread(414213562)}]
            )) as cart_lines,
            depth > 0
            and (number * 732050808 + {shift}) % 1000000000 < {_POPUP_PER_MILLE * 1_000_000}
                as has_popup,
            depth = 4
            and (number + {plan.number * plan.usual_purchases}) % {_PURCHASES_PER_ZERO_VALUE} = 50
                as is_zero_value,
            depth < 4
            and intDiv((number - {plan.purchases} + 1) * {plan.duplicates}, {_others(plan)})
            > intDiv((number - {plan.purchases}) * {plan.duplicates}, {_others(plan)})
                as has_duplicate,
            (number * 7 + {shift}) % {products} as first_product,
            1 + {own("product step")} % {products - 1} as product_step,
            -- Some come back later the same day, some are known from the last three weeks.
            {own("return")} % 100 as return_draw,
            (number + {people // 2}) % {people} as companion,
            depth > 0 and return_draw < 6 and companion != number
            and {start(key(day, "companion"))} < {18 * 3_600_000} as is_second_visit,
            depth > 0 and not is_second_visit and return_draw < 20 as is_known,
            {day} - if(is_known, 1 + {own("return day")} % 20, 0) as client_day,
            multiIf(
                is_second_visit, companion, is_known, {own("return of")} % {people}, number
            ) as client_index,
            {key("client_day", "client_index")} as client_key,
            cityHash64(client_key, 'client') as client_hash,
            if(
                is_second_visit,
                {start("client_key")} + 2400000 + {own("second visit")} % 10800000,
                {start("key")}
            ) as start
        from numbers({plan.sessions})
    )
"""


def _others(plan: _DayPlan) -> int:
    return max(plan.sessions - plan.purchases, 1)


def _steps_sql() -> str:
    """One row per event, with the time of day in milliseconds; a duplicate is two equal rows."""
    return f"""
    select
        *,
        cityHash64(key, n, 'step') as step_hash,
        kind = {_LANDING} as is_landing
    from (
        select
            * except (codes),
            code % 16 as kind,
            intDiv(code, 16) as cart_line,
            start + elapsed as at,
            n,
            copies
        from sessions
        array join
            codes as code,
            arrayCumSum(arrayMap(
                (c, n) -> {_array(_PAUSE_MIN)}[c % 16]
                + cityHash64(key, n, 'pause') % {_array(_PAUSE_SPAN)}[c % 16],
                codes,
                arrayEnumerate(codes)
            )) as elapsed,
            arrayEnumerate(codes) as n,
            arrayMap(
                n -> if(has_duplicate and n = 1 + key % length(codes), [0, 1], [0]),
                arrayEnumerate(codes)
            ) as copies
    )
    array join copies as copy
"""


def _lines_sql(date: datetime.date) -> str:
    """One CSV line per event."""
    product_paths = [
        f"{_SHOP}/products/{page}?variant={item_id.lower()}" for item_id, _, _, page, _ in _PRODUCTS
    ]
    product_pages = [f"{_SHOP}/products/{page}" for *_, page, _ in _PRODUCTS]
    landing = [_SHOP + path for path, _ in _LANDING_PAGES]
    browsed = [_SHOP + path for path, _ in _BROWSED_PATHS]
    referrers = [referrer for (referrer, _), _ in _ARRIVALS]
    queries = [query for (_, query), _ in _ARRIVALS]
    return f"""
    select
        at,
        number as session,
        toUInt64(n) as n,
        cityHash64(key, 'arrival') as arrival,
        {_pick(landing, _LANDING_PAGES, "cityHash64(key, 'landing')")} as landing_page,
        if(is_bot, '', {_pick(queries, _ARRIVALS, "arrival")}) as landing_query,
        if(
            endsWith(landing_query, '='),
            concat(landing_query, left(hex(arrival), 12)),
            landing_query
        ) as full_query,
        multiIf(
            kind = {_LANDING}, concat(landing_page, full_query),
            kind = {_POPUP}, landing_page,
            kind = {_BROWSE}, {_pick(browsed, _BROWSED_PATHS, "step_hash")},
            kind = {_PRODUCT}, {_array(product_pages)}[1 + cart_products[cart_line]],
            kind = {_ADD}, {_array(product_paths)}[1 + cart_products[cart_line]],
            kind = {_CART}, '{_SHOP}/cart',
            kind = {_PURCHASE}, concat('{_SHOP}/checkouts/', checkout_token, '/thank-you'),
            concat('{_SHOP}/checkouts/', checkout_token)
        ) as page_url,
        multiIf(
            is_bot, '',
            is_landing, {_pick(referrers, _ARRIVALS, "arrival")},
            step_hash % 100 < 35, '{_SHOP}/',
            ''
        ) as referrer,
        multiIf(
            kind = {_POPUP}, concat('"{{""user_email"":""', user_email, '""}}"'),
            kind = {_PURCHASE}, concat('"', replaceAll(order_json, '"', '""'), '"'),
            ''
        ) as event_data,
        -- A purchase can be traced to its session: the sessions that buy keep their client.
        depth < 4 and intDiv(step_hash, 100) % 100000 < {_EMPTY_CLIENT_PER_100K} as is_anonymous,
        concat(
            if(is_anonymous, '', client_id), ',',
            page_url, ',',
            referrer, ',',
            '{date:%Y-%m-%d}T',
            substring(toString(fromUnixTimestamp64Milli(at, 'UTC')), 12),
            'Z,',
            {_array(_KIND_EVENTS)}[kind], ',',
            event_data, ',',
            user_agent
        ) as line
    from steps
"""


def _pick(values: Sequence[str], weighted: Sequence[tuple[object, int]], draw: str) -> str:
    """SQL that picks one of the values by their shares in percent."""
    slots = [value + 1 for value in _expand([share for _, share in weighted])]
    return f"{_array(values)}[{_array(slots)}[1 + {draw} % 100]]"


def _expand(shares: Sequence[int]) -> list[int]:
    """100 slots that hold the index of a share as many times as it has percent."""
    slots = [index for index, share in enumerate(shares) for _ in range(share)]
    if len(slots) != 100:
        raise ValueError(f"the shares {shares} sum to {len(slots)}; make them sum to 100")
    return slots


def _array(values: Sequence[str] | Sequence[int]) -> str:
    items = ", ".join(str(v) if isinstance(v, int) else _text(v) for v in values)
    return f"[{items}]"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _csv(value: str) -> str:
    if any(char in value for char in ',"\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def _money_text(cents: int) -> str:
    return str(cents // 100) if cents % 100 == 0 else f"{cents // 100}.{cents % 100:02d}"


def _money(cents: str) -> str:
    """SQL for an amount as JSON number: whole, or with two decimals."""
    return (
        f"concat(toString(intDiv({cents}, 100)), if({cents} % 100 = 0, '', "
        f"concat('.', leftPad(toString({cents} % 100), 2, '0'))))"
    )
