"""Function words: what every title of a language has, and no title is about.

A lexicon weighs words by how rare they are in the texts that were trained on. Where these are in
English, the articles and prepositions of other languages pass for the rarest words of all, and
titles that have nothing else in common resemble each other by them. Each list has a language's
articles, prepositions, conjunctions, pronouns and auxiliaries, but for those that are written
as an English word that titles are about ("war", "man", "door").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "de": """
            aber alle als am an auch auf aus bei beim bis das dass dein dem den denn der des
            dich die diese diesem diesen dieser dieses dir doch du durch ein eine einem einen
            einer eines er es euch für gegen haben hat ich ihm ihn ihr ihre im in ins ist jede
            jedem jeden jeder jedes kann kein keine man mehr mein mich mir mit nach nicht noch
            nur ob oder ohne schon sehr sein seine seinem seinen seiner sich sie sind so um und
            uns unser unter vom von vor warum wenn werden wie wir wird wo zu zum zur zwischen
            über
        """,
        "es": """
            a al algo ante aquí así aunque bajo cada como con cual cuando cuál cuándo cómo de
            del desde donde dónde e el ella ellas ellos en entre era es esa ese eso esta estas
            este esto estos está están fue ha hacia han hasta hay la las le les lo los mi mis
            mucho muy más ni no nos o otra otro para pero por porque que quien qué se según ser
            si sin sobre su sus sí también te tu tus un una unas uno unos y ya yo
        """,
        "fr": """
            au aucun aussi autre aux avec c ce ces cet cette ceux chaque chez ci comme comment d
            dans de depuis des deux donc dont du elle elles en entre est et eux fait faut il ils
            j je jusqu l la le les leur leurs lui m ma mais mes moi n ne nos notre nous on ont
            ou où par pas pendant peu peut pour pourquoi puis qu quand que quel quelle quels qui
            quoi s sa sans se selon ses si sont sous sur t ta te tes toi tous tout toute toutes
            trop très tu un une vers vos votre vous y à été être
        """,
        "it": """
            a ad agli ai al alla alle allo anche c che chi ci ciò come con cosa così cui d da
            dagli dai dal dalla dalle degli dei del della delle dello di dove due e ed essere fa
            fra gli ha hanno i il in io l la le lei li lo loro lui ma mi mia mio molto ne negli
            nei nel nella nelle nello noi non nostro o ogni per perché più poi qual quale quando
            quanto quella quelle quelli quello questa queste questi questo se sei senza si sia
            solo sono sotto su sua sue sugli sui sul sulla sulle suo suoi tra tu tua tuo tutti
            tutto un una uno vi voi è
        """,
        "nl": """
            aan al alle als bij daar dan dat de deze die dit doet dus een elk elke en er geen
            had heb hebben heeft hem het hij hoe hun ik in is je jij jouw kan met mijn naar niet
            nog nu of om onder ons onze ook op over te tegen ten ter toch toe tot tussen uit uw
            van vanaf veel voor waar waarom wat wel welke wie wij worden wordt ze zelf zich zij
            zijn zo zoals zonder
        """,
        "pl": """
            a albo ale aż bez bo by być był była było były co czy dla do gdy gdzie go i ich im
            ja jak jakie jako je jego jej jest jeśli już każdy która które którego której który
            ku lub ma może można mój na nad nas nasz nasza nie nim o od on ona one oni oraz po
            pod pomiędzy ponieważ potem przed przez przy s się sobie swoje swój są ta tak także
            tam te tego tej ten to tu tylko tym u w we więc wszystko z za ze że żeby
        """,
        "pt": """
            a ainda ao aos as até cada com como da das de dela dele depois do dos duas e ela
            elas ele eles em entre era essa esse esta estas este estes está eu foi foram há isso
            isto já lhe mais mas me mesmo meu minha muito na nas nem no nos num numa não nós o
            os ou para pela pelas pelo pelos por porque qual quando que quem se sem ser seu seus
            si sob sobre sua suas são só também te tem teu tua tudo têm um uma umas uns você à
            às é
        """,
    }.items()
}
"""By ISO 639-1 code, as :func:`edge_rerank.ranking.signals.words.words` gives them."""


def function_words(languages: Iterable[str]) -> frozenset[str]:
    """Those of several languages, all of which are known."""
    return frozenset[str]().union(*(FUNCTION_WORDS[language] for language in languages))
