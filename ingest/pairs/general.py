"""General questions, written for this project, that a company's files do not answer. Checked against each knowledge base before use."""

from __future__ import annotations

_EN = """
What is the capital of Australia?
How tall is Mount Kilimanjaro?
Who painted the ceiling of the Sistine Chapel?
How many moons does Jupiter have?
What is the boiling point of ethanol?
Who won the football world cup in 1998?
How do I bake sourdough bread without a starter?
Can you write a poem about autumn?
What is the square root of 1764?
Which planets have rings?
How do I say good morning in Portuguese?
What is the plot of Moby Dick?
When did the Berlin Wall fall?
Who invented the printing press?
How many bones are in the human body?
What is the best way to learn the guitar?
Can you recommend a good thriller to read on holiday?
How do vaccines train the immune system?
What is the difference between a crocodile and an alligator?
Will it rain in Lisbon tomorrow?
What is the exchange rate of the Swiss franc today?
Tell me a joke about penguins.
How do I remove a coffee stain from a carpet?
Which language has the most native speakers?
How far is the Moon from Earth?
What are the rules of chess castling?
Who wrote The Brothers Karamazov?
How do bees make honey?
What is the population of Canada?
How do I tie a bowline knot?
What does the word serendipity mean?
Which team has won the most Stanley Cups?
How long does a cat usually live?
What is the chemical symbol of tungsten?
Can you help me with my tax return in France?
What should I wear to a job interview?
How do I get rid of hiccups?
When is the next total solar eclipse?
Who is the current secretary-general of the United Nations?
What is the recipe for a classic tiramisu?
How do I train for a marathon in twelve weeks?
Should I buy shares or bonds this year?
Why is the sky blue?
What are the symptoms of a vitamin D deficiency?
How do I train a puppy to sit?
Which museums in Vienna are free of charge on Sundays?
How many strings does a cello have?
What is the longest river in Asia?
Can you translate this sentence into Swahili?
How do I grow tomatoes on a balcony?
Who composed The Four Seasons?
What is the speed of sound under water?
How does a jet engine work?
What time is it in Buenos Aires?
Which countries share a border with Laos?
What is the meaning of life?
How do I write a cover letter for an internship?
What are good names for a golden retriever?
How do I fix a flat bicycle tyre?
Who was the first woman to win a Nobel Prize?
"""
_ZH = """
澳大利亚的首都是哪里？
乞力马扎罗山有多高？
《红楼梦》的作者是谁？
木星有多少颗卫星？
酒精的沸点是多少度？
1998 年世界杯冠军是哪支球队？
怎么做糖醋排骨？
可以帮我写一首关于秋天的诗吗？
1764 的平方根是多少？
太阳系里哪些行星有光环？
葡萄牙语的早上好怎么说？
《西游记》里白龙马是什么来历？
柏林墙是哪一年倒塌的？
活字印刷术是谁发明的？
成年人身体里有多少块骨头？
零基础怎么学吉他？
推荐几本适合假期看的推理小说吧？
疫苗是怎样让人产生免疫力的？
鳄鱼和短吻鳄有什么区别？
明天昆明会下雨吗？
今天瑞士法郎的汇率是多少？
讲一个关于企鹅的笑话好吗？
地毯上的咖啡渍怎么去掉？
世界上母语人口最多的语言是哪一种？
月球离地球有多远？
国际象棋的王车易位有什么规则？
《卡拉马佐夫兄弟》是谁写的？
蜜蜂是怎么酿蜜的？
加拿大有多少人口？
怎么打称人结？
“缘木求鱼”是什么意思？
端午节为什么要吃粽子？
一只猫一般能活多少岁？
钨的化学符号是什么？
在法国怎么报税？
参加面试应该穿什么衣服？
打嗝不停怎么办？
下一次日全食是什么时候？
现任联合国秘书长是谁？
提拉米苏怎么做？
十二周怎样备战马拉松？
今年该买股票还是债券？
天空为什么是蓝色的？
缺乏维生素 D 有哪些症状？
怎么训练小狗坐下？
维也纳哪些博物馆周日免费？
大提琴有几根弦？
亚洲最长的河流是哪一条？
能把一句话翻译成斯瓦希里语吗？
阳台上怎么种番茄？
《四季》是哪位作曲家的作品？
声音在水里的传播速度是多少？
喷气发动机的工作原理是什么？
布宜诺斯艾利斯现在几点？
老挝和哪些国家接壤？
人生的意义是什么？
实习求职信应该怎么写？
金毛犬叫什么名字好听？
自行车胎扎破了怎么补？
第一位获得诺贝尔奖的女性是谁？
"""
GENERAL: dict[str, tuple[str, ...]] = {
    "en": tuple(_EN.strip().splitlines()),
    "zh": tuple(_ZH.strip().splitlines()),
}
