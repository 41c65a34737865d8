"""Gives the tests the fixture `gate`, a double of the host."""

pytest_plugins = ["tollgate.testing"]
