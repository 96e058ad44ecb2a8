"""Tests of the package as it is shipped; ``make package`` runs them in environments of their own."""
