"""The mutation gate: small changes of the code, one at a time, each of which some test has to notice.

Why a runner of our own (G2 of the safety specification). mutmut 3.8 was looked at first: it leaves out decorated
functions (68 properties in the safety layer) and all that stands outside of functions (defaults of records, the tables
of rules and alarms, every constant: 330 of our mutants there); it removes no statement, holds no condition of an ``if``
true or false, and knows one neighbour of each comparison; where it starts a mutant it starts pytest. cosmic-ray starts
an interpreter for each mutant, which is an hour for one package before any test has run.

``operators`` says what is changed, ``hunt`` runs the tests against one mutant after the other, ``run`` is the
command and judges by ``survivors/``. The hand-written defects of ``tests/planted`` are apart from this.
"""
