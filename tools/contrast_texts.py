"""Write the contrast sets of `theodolite.models`: sentences of our own, in the manner of the pocket family's novels.

    python tools/contrast_texts.py            # writes src/theodolite/models/contrasts/*.jsonl

A pair is a prompt with two ways to go on. The first pairs of a set make a vector, the last `HELD_OUT` judge it; no
sentence and no prompt is in both parts. `[past|present]` marks a choice of tense; {S}, {o}, {p} and {r} stand for the
pronoun as subject, object, possessive and reflexive.
"""

import json
import re
from pathlib import Path

HELD_OUT = 24
FOLDER = Path(__file__).parents[1] / "src" / "theodolite" / "models" / "contrasts"

PROMPTS = """\
The rain had ceased before noon.
It was late, and the lamps were lit.
The door stood open.
There was a long silence.
The clock upon the stairs struck nine.
A carriage stopped before the house.
The snow lay deep upon the road.
Dinner was over at last.
The letters came by the morning post.
The garden was quiet, and the sun was low.
Nothing more was heard that night.
The fire had burnt down to a few embers.
The village was some two miles away.
The church bells had begun to ring.
All the windows looked upon the river.
The journey took the better part of a day.
A cold wind blew from the hills.
The old house had been empty for years.
The harvest was nearly done.
Breakfast was laid in the little parlour."""

HELD_OUT_PROMPTS = """\
The moon was up, and the fields were white.
The coach was to start at six.
Some time went by.
There were many people in the street.
The wood was dark and full of shadows.
A knock was heard below.
The ship lay at anchor in the bay.
The market was crowded that morning.
Tea was brought into the drawing-room.
The road turned to the left beyond the mill.
It was the last day of the year.
The storm passed over toward the sea."""

PEOPLE = """\
{S} [took|takes] {p} hat and [went|goes] out into the garden.
{S} [sat|sits] down by the fire and [warmed|warms] {p} hands.
{S} [opened|opens] the letter and [read|reads] it twice.
{S} [looked|looks] at the picture for a long time.
{S} [rose|rises] from {p} chair and [walked|walks] to the window.
{S} [wrote|writes] a few lines to {p} brother.
{S} [knew|knows] nothing of the matter.
{S} [laughed|laughs] and [shook|shakes] {p} head.
{S} [put|puts] the money into {p} pocket.
{S} [came|comes] home by the lower road.
{S} [found|finds] the key upon the table.
{S} [loved|loves] the old place with all {p} heart.
{S} [lay|lies] awake and [thought|thinks] of the morning.
{S} [held|holds] out {p} hand to the child.
{S} [spoke|speaks] in a low voice to the servant.
{S} [kept|keeps] {p} eyes upon the ground.
{S} [drank|drinks] a glass of water and [felt|feels] better.
{S} [turned|turns] {p} face away and [said|says] no more.
{S} [began|begins] {p} work before the sun [was|is] up.
{S} [stood|stands] alone upon the bridge.
{S} [heard|hears] the voices in the next room.
{S} [gave|gives] {p} purse to the poor woman.
{S} [lived|lives] in a small house near the church.
{S} [saw|sees] that there [was|is] no hope.
{S} [asked|asks] for a bed and a little bread.
{S} [forgot|forgets] {p} promise before the evening.
{S} [stayed|stays] in {p} room the whole day.
{S} [played|plays] with the dog upon the lawn.
{S} [threw|throws] the paper into the fire.
{S} [hid|hides] the ring among {p} books.
{S} [went|goes] up the stairs with a candle in {p} hand.
{S} [thought|thinks] of {p} mother and of the old days.
{S} [dressed|dresses] {r} with great care.
{S} [told|tells] {p} story from the beginning.
{S} [crossed|crosses] the street without a word.
{S} [hurt|hurts] {p} arm in the fall.
{S} [learned|learns] the news from a neighbour.
{S} [closed|closes] the book and [sighed|sighs].
{S} [broke|breaks] the seal with {p} thumb.
{S} [walked|walks] slowly toward the gate.
{S} [ate|eats] {p} supper in the kitchen.
{S} [made|makes] {r} a cup of tea.
{S} [carried|carries] the basket upon {p} arm.
{S} [smiled|smiles] and [touched|touches] the flowers.
{S} [left|leaves] {p} gloves in the hall.
{S} [sang|sings] an old song to {r}.
{S} [ran|runs] down the hill to the water.
{S} [bought|buys] a new coat for {p} cousin.
{S} [fell|falls] asleep over {p} newspaper.
{S} [met|meets] the doctor at the corner.
{S} [lost|loses] {p} way in the fog.
{S} [drew|draws] {p} chair close to the lamp.
{S} [waited|waits] an hour for an answer.
{S} [wiped|wipes] {p} eyes and [tried|tries] to speak.
{S} [watched|watches] the boats upon the lake.
{S} [paid|pays] {p} debts and [said|says] farewell."""

QUESTIONS = """\
Is he at home?|He is at home.
Was she very ill?|She was very ill.
Have you seen my brother?|You have seen my brother.
Will they come again to-morrow?|They will come again to-morrow.
Can you hear the music?|You can hear the music.
Is it too late to go back?|It is too late to go back.
Did he speak of his father?|He spoke of his father.
Are the children in the garden?|The children are in the garden.
Must we leave so soon?|We must leave so soon.
Could it be the same man?|It could be the same man.
Do you know the way to the inn?|You know the way to the inn.
Has the doctor been sent for?|The doctor has been sent for.
Was there no one in the room?|There was no one in the room.
Would he take the money?|He would take the money.
Is that your opinion?|That is your opinion.
Were they ever married?|They were married.
Did she read the letter?|She read the letter.
Shall I call the servant?|I shall call the servant.
Had he any friends in London?|He had some friends in London.
Are you quite sure of it?|You are quite sure of it.
Does the house belong to him?|The house belongs to him.
What did the old woman say?|The old woman said very little.
Where is the captain gone?|The captain is gone to the north.
Why should we be afraid?|We should not be afraid.
Who is that gentleman?|That gentleman is a lawyer.
How long have you been here?|I have been here a week.
When will the ship sail?|The ship will sail at noon.
Is there any hope for her?|There is some hope for her.
May I ask your name?|I may not tell my name.
Do they live near the river?|They live near the river.
Which of the two is the elder?|The taller is the elder.
Did you sleep well last night?|I slept well last night.
Is the master in his study?|The master is in his study.
Was it a very long walk?|It was a very long walk.
Have they heard the news?|They have heard the news.
Will you give me your hand?|You will give me your hand.
Can he be trusted with the key?|He can be trusted with the key.
Did the boy tell the truth?|The boy told the truth.
Are we to wait till night?|We are to wait till night.
Must she know of this?|She must know of this.
Could you lend me a pound?|I could lend you a pound.
Do you remember my mother?|I remember your mother.
Has the rain stopped yet?|The rain has stopped at last.
Would you have done the same?|I would have done the same.
Is this the road to the church?|This is the road to the church.
Were you not at the ball?|You were not at the ball.
Did anybody see him go?|Nobody saw him go.
Shall we sit by the fire?|We shall sit by the fire.
Had she been crying?|She had been crying.
Are those your horses?|Those are my horses.
Does it hurt you much?|It hurts me very much.
What is the meaning of this?|The meaning of this is plain.
Where did you find the ring?|I found the ring in the grass.
Why did he never write?|He never wrote at all.
Who has taken my book?|Your sister has taken the book.
How could he be so cruel?|He could be very cruel."""

SPEECH = """\
“I do not believe it,” said the old man.|The old man did not believe it.
“Come in,” she cried, “and shut the door.”|She called them in and shut the door.
“You are very kind,” he answered.|He was grateful for such kindness.
“No, no!” exclaimed the girl. “Never!”|The girl refused again and again.
“What is the matter?” asked the doctor.|The doctor wished to know the reason.
“It is too late,” replied the captain.|The captain thought that it was too late.
“My dear,” said her aunt, “you must rest.”|Her aunt was anxious that she should rest.
“I will go with you,” he whispered.|He made up his mind to go with them.
“Good morning, sir,” said the servant.|The servant bowed and went away.
“Oh, papa!” she cried. “Let me stay!”|She longed to stay with her father.
“Well,” said he, “I am ready.”|He was ready to begin.
“That is true,” said the lady.|The lady saw that it was true.
“Who is there?” called the miller.|The miller went to see who was there.
“Yes,” she murmured, “I remember.”|She remembered it very well.
“Thank you,” said the boy.|The boy thanked them with a look.
“He is dead,” said the sailor slowly.|The sailor brought the news of his death.
“I am sorry for you,” said my uncle.|My uncle was sorry for them all.
“Nonsense!” cried the squire.|The squire would hear nothing of it.
“Do not go,” she said. “I am afraid.”|She was afraid to be left alone.
“We shall see,” answered the lawyer.|The lawyer went on with his papers.
“Tell me all,” said the young man.|The young man desired to know all.
“It was my fault,” he said at last.|He felt that the fault was his own.
“Hush!” said the nurse. “She is asleep.”|The nurse sat by the bed and watched.
“God bless you!” cried the widow.|The widow wept for joy.
“I never saw him before,” said the farmer.|The farmer had never seen him before.
“You shall have it,” said his lordship.|His lordship gave them what they wanted.
“Ah!” said the stranger, “is it so?”|The stranger seemed to be surprised.
“Let us go home,” said my sister.|My sister was tired and went home.
“I cannot tell,” replied the clerk.|The clerk could not tell.
“Stop!” shouted the guard.|The guard ran along the road.
“Give me your hand,” said the priest.|The priest gave her his hand.
“You are wrong,” he said quietly.|He was certain of their mistake.
“I hate him!” cried the child.|The child hated him with all her soul.
“Indeed!” said Mrs. Brown.|Mrs. Brown took up her work again.
“It is nothing,” she answered.|She thought very little of it.
“Where are they?” he asked.|He looked for them in every room.
“My lord,” said the steward, “they are come.”|The steward came to tell them the news.
“I love you,” he said.|He loved her more than all the world.
“How strange!” said the teacher.|The teacher found it very strange.
“Look!” cried the children. “A ship!”|The children saw a ship far away.
“I have no money,” said the poor woman.|The poor woman had no money left.
“Be quiet,” said her mother.|Her mother wished for a little quiet.
“Of course,” he replied. “Why not?”|He was willing enough to do it.
“What a night!” said the coachman.|The coachman drove on through the night.
“You must forgive me,” said the colonel.|The colonel hoped to be forgiven.
“Not yet,” she said, and smiled.|She smiled and went on with her sewing.
“I will tell you a story,” said grandfather.|Grandfather had a great many stories.
“Are you hungry?” asked the cook.|The cook gave them some bread and meat.
“Pray sit down,” said the bishop.|The bishop sat down in his chair.
“Help!” screamed a voice.|A great noise was heard without.
“I think so,” said the judge.|The judge was of the same mind.
“Poor thing!” said the landlady.|The landlady was full of pity.
“They are gone,” he muttered.|They were gone, and he was alone.
“So be it,” said the king.|The king did as they wished.
“Run!” cried the soldier. “Run!”|The soldier ran as fast as he could.
“I am very happy,” she told him.|She was very happy in those days."""

FEELINGS = """\
Her heart was full of joy and hope.|Her heart was full of grief and fear.
He smiled with pleasure at the sight.|He trembled with horror at the sight.
It was a bright and happy morning.|It was a dark and dreadful morning.
They were glad to be together again.|They were sorry to be together again.
She gave a merry laugh.|She gave a bitter cry.
He was the best of friends.|He was the worst of enemies.
Everything was sweet and beautiful.|Everything was foul and ugly.
The good news made them cheerful.|The bad news made them miserable.
She loved him dearly.|She hated him cruelly.
He spoke in a kind and gentle voice.|He spoke in a harsh and angry voice.
The sick child was well again.|The sick child was dead at last.
They danced and sang till midnight.|They wept and mourned till midnight.
It was a great success.|It was a great misfortune.
His face was fresh and smiling.|His face was pale and haggard.
The room was warm and pleasant.|The room was cold and dismal.
She thanked heaven for her happiness.|She cursed heaven for her misery.
He had won the prize at last.|He had lost the game for ever.
All her troubles were over.|All her troubles were come back.
A lovely smile was upon her lips.|A terrible frown was upon her lips.
They praised him for his courage.|They blamed him for his cowardice.
It was a delightful evening.|It was a wretched evening.
The people blessed his name.|The people dreaded his name.
He felt strong and young and free.|He felt weak and old and ill.
She was proud of her noble son.|She was ashamed of her wicked son.
Peace and comfort were in the house.|Death and sorrow were in the house.
He was rich, and every one liked him.|He was ruined, and every one shunned him.
The sweetest flowers grew there.|The vilest weeds grew there.
Their hopes were all fulfilled.|Their hopes were all destroyed.
She kissed him tenderly.|She struck him savagely.
What a charming girl she was!|What a horrid creature she was!
It was an honest and generous act.|It was a base and cruel act.
The wedding was a merry one.|The funeral was a gloomy one.
He laughed for joy.|He groaned in despair.
Her eyes were bright with delight.|Her eyes were dim with tears.
They found the child safe and well.|They found the child cold and dead.
He was delighted with the gift.|He was disgusted with the gift.
It was a glorious day for them all.|It was a fatal day for them all.
The old man was calm and contented.|The old man was gloomy and wretched.
She was charming and graceful.|She was stupid and vulgar.
Fortune had smiled upon the family.|Disaster had fallen upon the family.
They had a hearty welcome.|They had a cruel disappointment.
He forgave them with all his heart.|He despised them with all his heart.
It was the happiest hour of her life.|It was the most painful hour of her life.
The sun shone, and the birds sang.|The wind howled, and the rain fell.
She had a sweet and loving temper.|She had a fierce and jealous temper.
Health and pleasure awaited him.|Danger and ruin awaited him.
He was cheered by her kindness.|He was crushed by her contempt.
Their love was pure and true.|Their quarrel was long and bitter.
The soldiers returned in triumph.|The soldiers perished in agony.
She was grateful and content.|She was unhappy and alone.
It was an excellent dinner.|It was a miserable dinner.
A feeling of rest came over him.|A feeling of terror came over him.
He was an admirable master.|He was an abominable master.
They trusted and honoured her.|They suspected and insulted her.
The play was gay and amusing.|The play was dull and tedious.
His friends rejoiced with him.|His enemies murdered him."""

HE = {"S": "He", "o": "him", "p": "his", "r": "himself"}
SHE = {"S": "She", "o": "her", "p": "her", "r": "herself"}
FIRST = {"S": "I", "o": "me", "p": "my", "r": "myself"}


def tense(template, which):
    return re.sub(r"\[(.*?)\|(.*?)\]", lambda found: found[which + 1], template)


def people(positive, negative):
    return [(tense(one, 0).format(**positive), tense(one, 0).format(**negative)) for one in PEOPLE.splitlines()]


def halves(text):
    return [tuple(line.split("|")) for line in text.splitlines()]


def contrasts():
    """Return each set by name: what its positive side is, what its negative side is, and the pairs."""
    past = [(tense(one, 0).format(**HE), tense(one, 1).format(**HE)) for one in PEOPLE.splitlines()]
    return {
        "dialogue": ("direct speech", "narrative", halves(SPEECH)),
        "feeling": ("pleasant feelings", "unpleasant feelings", halves(FEELINGS)),
        "gender": ("feminine pronouns", "masculine pronouns", people(SHE, HE)),
        "person": ("first person", "third person", people(FIRST, HE)),
        "question": ("questions", "statements", halves(QUESTIONS)),
        "tense": ("past tense", "present tense", past),
    }


def lines(name):
    _, _, pairs = contrasts()[name]
    for place, (positive, negative) in enumerate(pairs):
        held_out = place >= len(pairs) - HELD_OUT
        prompts = (HELD_OUT_PROMPTS if held_out else PROMPTS).splitlines()
        yield {
            "prompt": prompts[place % len(prompts)],
            "positive": " " + positive,
            "negative": " " + negative,
            "held_out": held_out,
        }


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in contrasts():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines(name))
        (FOLDER / f"{name}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
