"""Shops for the benches: the sandbox's tables with more models, so that a shop can have thousands of different products."""
import json
import pathlib
import random
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUKOU = str(ROOT / "build/release/rukou")
GOODS = {"running_shoes": (229, 1299), "headphones": (119, 2199), "blood_pressure_meter": (149, 699), "mask": (15, 99), "rice_cooker": (189, 1299),
         "phone": (979, 8999), "flowers": (95, 899), "skirt": (79, 459), "thermos": (39, 329), "charger": (25, 219), "tent": (179, 1999), "coffee_beans": (38, 289)}


def common(root, times):
    """A copy of shops/common whose models are there `times` times, numbered."""
    (root / "common").mkdir()
    for table in (ROOT / "shops/common").glob("*.tsv"):
        text = table.read_text()
        if table.name == "models.tsv":
            rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#") and not line.startswith("book")]
            text = "".join(f"{c}\t{b}\t{zh} {'ABCDEFGHJK'[i]}\t{en} {'ABCDEFGHJK'[i]}\n" for i in range(times) for c, b, zh, en in rows)
        if table.name in ("injections.tsv", "listed.tsv"):
            text = ""
        (root / "common" / table.name).write_text(text)


def shop(root, name, prefix, n_products, seed, vendor_fields=True):
    rng = random.Random(seed)
    here = root / name
    here.mkdir()
    conf = (ROOT / "shops/lanhai/shop.conf").read_text()
    conf = re.sub(r"(?m)^id_prefix = .*", f"id_prefix = {prefix}", re.sub(r"(?m)^seed = .*", f"seed = {seed}", conf))
    conf = re.sub(r"(?m)^(name_\w\w) = .*", rf"\1 = {name}", conf)
    (here / "shop.conf").write_text(conf + ("" if vendor_fields else "vendor_fields = no\n"))
    left, rows = n_products, []
    for i, (category, (low, high)) in enumerate(GOODS.items()):
        n = min(left // (len(GOODS) - i), 700 if category == "blood_pressure_meter" else left)  # there are 800 different ones
        left -= n
        rows.append(f"{category}\t-\t{n}\t{low + rng.randrange(low // 5 + 1)}\t{high}\n")
    (here / "products.tsv").write_text("".join(rows))
    (here / "coupons.tsv").write_text(f"TEN\t*\t{5 + rng.randrange(15)}\t0\t{60 + rng.randrange(200)}\t满减\toff\nPC\tphone\t0\t{2 + rng.randrange(5)}\t900\t手机\tphones\n")
    (here / "delivery.tsv").write_text("".join(f"{kind}\t{i}\t{rng.randrange(25)}\t{day}\t快递\tparcel\n" for kind in ("parcel", "flowers") for i, day in (("slow", 3), ("fast", 1))))
    return str(here)


def serve(dirs, data, agent):
    """The process and its origins."""
    p = subprocess.Popen([RUKOU, "shop", "serve", *dirs, "--json", "--sandbox", "--agent", agent, "--data", data], stdout=subprocess.PIPE, text=True)
    return p, [json.loads(p.stdout.readline())["origin"] for _ in dirs]


def rss_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def temporary():
    return tempfile.TemporaryDirectory(prefix="rukou-bench-")


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def report(name, text):
    """Puts the block `name` of bench/RESULTS.md; the other blocks stay."""
    path = ROOT / "bench/RESULTS.md"
    old = path.read_text()
    block = f"<!-- {name} -->\n{text.strip()}\n<!-- /{name} -->"
    found = re.search(rf"<!-- {name} -->.*?<!-- /{name} -->", old, re.S)
    path.write_text(old.replace(found[0], block) if found else old.rstrip("\n") + "\n\n" + block + "\n")
