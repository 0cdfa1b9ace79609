"""Every catalog entry resolves, and the catalogs say one line each."""

import pytest

import genbench
from genbench import data, losses, metrics, models
from genbench.errors import InputError

ENTRIES = [
    (f"{room.__name__}:{name}", entry)
    for room in (models, data, losses, metrics)
    for name, entry in [*room.CATALOG.items(), *getattr(room, "PARTS", {}).items()]
]


@pytest.mark.parametrize(("name", "entry"), ENTRIES, ids=[name for name, _ in ENTRIES])
def test_entry_resolves(name, entry):
    assert entry.load() is not None
    assert entry.line and "\n" not in entry.line


def test_the_package_offers_its_rooms():
    assert genbench.CATALOG is models.CATALOG
    assert genbench.create_model is models.create_model
    assert genbench.data.mixture("ring8").means.shape == (8, 2)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = genbench.nothing


def test_unknown_model_names_the_choices():
    with pytest.raises(InputError, match="model: unknown name 'gam'; did you mean 'gan'"):
        genbench.create_model("gam", data_shape=(2,))
