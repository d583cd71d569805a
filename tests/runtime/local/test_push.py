import pytest

from sagecask.local.push import Reference


@pytest.mark.parametrize(
    ("image", "target", "place"),
    [
        ("sagecask/a:cpu", "localhost:5000", "localhost:5000/sagecask/a:cpu"),
        ("sagecask/a", "127.0.0.1:5000/own", "127.0.0.1:5000/own:latest"),
        ("sagecask/a:cpu", "registry.example.org/team/own:1.2", "registry.example.org/team/own:1.2"),
        ("host:5000/a:cpu", "registry.example.org/own", "registry.example.org/own:cpu"),
    ],
)
def test_image_and_target_make_a_reference(image, target, place):
    assert str(Reference.of(image, target)) == place
