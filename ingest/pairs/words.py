"""Words that pair rules go by: verbs of headings and sentences, attributes of tables, units. Pure: no I/O."""

from __future__ import annotations

import re
from functools import lru_cache

from ingest.cleaning.findings import wordset
from ingest.english import is_english

# Base forms that procedures begin with.
IMPERATIVES = wordset(
    "access activate add adjust allow apply approve archive arrange ask assign attach authenticate authorize back block book borrow "
    "bring build buy calculate calibrate call cancel change charge check choose claim clean clear close collect combine compare "
    "complete configure confirm connect contact convert copy correct create customize customise cut debug define delete deliver "
    "deploy descale detect disable disconnect discard dispose download draft drain duplicate edit embed empty enable end enter "
    "evaluate exchange execute export extend extract file fill filter find fit fix follow format generate get give handle hang "
    "hide identify implement import improve include increase insert inspect install integrate invite invoke join keep label launch leave "
    "level lift limit link list load locate lock log look maintain make manage map mark measure merge migrate modify monitor mount move "
    "name navigate open optimize optimise order organize organise pack park pause pay perform pick pin place plug post prepare press "
    "prevent preview print process protect provide publish pull purchase push put query raise read receive recharge record recover redeem "
    "reduce refill refund register release remove rename renew rent reorder repair repeat replace reply report request reschedule "
    "reserve reset resolve restart restore retrieve return reuse review revoke rinse roll rotate run save scan schedule search "
    "secure select sell send separate set setup share ship show sign sort specify spot start stop store submit subscribe switch sync "
    "synchronize take tell test track train transfer translate trigger troubleshoot turn type uninstall unlock unpack unsubscribe update "
    "upgrade upload use validate verify view visit wait wash watch wipe withdraw work wrap write go click dip drive hold screw unscrew stick swing bail soak tighten loosen shake rest fasten fold "
    "slide lift lower raise touch tap tick untick check uncheck scroll drag drop dismantle assemble grease lubricate polish dry heat cool boil mix pour dial"
)
# Verbs of statements, in the third person, whose sentences ask well for a figure.
STATING = {
    form: base
    for base in sorted(
        wordset(
            "cost take last expire hold contain include support need require weigh measure start begin end open close arrive apply "
            "receive get pay save raise reduce allow range provide offer reply answer deliver collect charge accept carry remain become "
            "lengthen send keep store serve repair refund match process respond ship renew retain generate run return consume use cover "
            "earn grant guarantee give add deduct credit allocate display fit"
        )
    )
    for form in (base, base + ("es" if base.endswith(("s", "sh", "ch", "x")) else "s"), re.sub("y$", "ies", base))
}
# Two characters with which Chinese headings of procedures begin.
VERBS_ZH = tuple(
    wordset(
        "创建 添加 新增 配置 设置 设定 修改 更改 变更 更换 删除 移除 拆除 拆卸 安装 卸载 启用 停用 禁用 启动 停止 关闭 打开 开启 连接 断开 接入 集成 导入 导出 上传 下载 "
        "发布 部署 升级 更新 迁移 备份 恢复 还原 查看 查询 查找 搜索 检查 测试 调试 验证 确认 选择 使用 编辑 编写 管理 邀请 申请 办理 提交 预约 预订 取消 退订 退货 退款 "
        "换货 支付 付款 缴费 充值 提现 开具 注册 登录 登记 注销 绑定 解绑 重置 找回 清洁 清洗 保养 维护 更新 调整 调节 调平 排空 加入 填写 获取 领取 兑换 转让 运行 执行 "
        "定义 生成 优化 处理 联系 报修 投诉 监控 分享 嵌入 切换 复制 移动 重命名 订阅 授权 撤销 批量 手动 自定义 构建 搭建 编排 筛选 召回 引用 追踪 准备 测量 收集 保存 保存 "
        "关联 同步 校准 拔下 插入 取出 装入 打印 扫描 发送 接收 转账 汇款 激活 挂失 补办 续费 签署 签收 寄送 邮寄 拍照 记录"
    )
)
# Headings that begin with a verb's characters and name a thing: 迁移路径, 配置选项.
NOUN_ZH = re.compile(
    r"(?:选项|界面|结果|路径|列表|规则|要求|模式|策略|原则|建议|示例|概览|须知|周期|归属|场景|技巧|历史|条件|范围|权限|状态|说明|注意事项|常见问题|概述|类型|区别|原理|限制)$"
)
PROCEDURE_ZH = re.compile(r"(?:步骤|流程|方法|方式|指南|教程|操作)$")
PROCEDURE_EN = re.compile(r"\b(?:process|procedure|steps|workflow|instructions)$", re.IGNORECASE)
# What a column is called when "What is the <column> of <row>?" can be asked.
ATTRIBUTES_EN = wordset(
    "price cost fee rate charge amount total weight height width depth length size volume capacity load power voltage noise temperature "
    "pressure speed energy consumption colour color material type category class name title address phone telephone email e-mail "
    "fax website url hours time duration period deadline date number id limit quota maximum minimum default value unit version "
    "status state warranty guarantee function location room floor department manager owner contact "
    "author brand manufacturer origin currency language format range frequency interval age score grade level rating distance "
    "dimensions depth area percentage discount deposit salary quantity group "
    "endpoint port region country city"
)
ATTRIBUTE_ZH = re.compile(
    r"(?:价格|单价|售价|费用|金额|费|价|重量|净重|毛重|高度|宽度|厚度|深度|长度|尺寸|大小|容量|容积|体积|功率|电压|电流|噪音|噪声|温度|压力|水压|速度|转速|能耗|"
    r"用水|用电|颜色|材质|型号|类型|类别|分类|名称|标题|地址|电话|邮箱|传真|网址|时间|时长|期限|有效期|周期|日期|编号|货号|代码|序号|上限|下限|最大值|最小值|默认值|"
    r"出厂值|数值|单位|版本|状态|保修期|含义|意思|用途|作用|功能|位置|部门|负责人|联系人|品牌|厂家|产地|币种|语言|格式|范围|频率|间隔|年龄|分数|等级|级别|"
    r"评分|距离|面积|百分比|比例|折扣|押金|数量|规格|适用型号|适用范围|端口|路径|权限|角色|套餐|服务|地区|国家|城市|流量|"
    r"率|量|数|度)$"
)
# First header cells of tables whose rows are attributes and whose columns are things.
ROW_IS_ATTRIBUTE = re.compile(
    r"^(?:|item|items|feature|features|condition|conditions|parameter|parameters|property|properties|specification|spec|specs|dimension|"
    r"attribute|characteristic|criterion|criteria|aspect|metric|项目|条件|参数|功能|特性|指标|属性|规格|维度|对比项|比较项|特征|配置项)$",
    re.IGNORECASE,
)
EMPTY_CELLS = wordset(
    "- – — / n/a na none no yes y n ✓ ✔ ✗ ✘ × x √ 无 有 是 否 不适用 暂无 tbd ... … null true false on off"
)

_VOWEL_DOUBLED = re.compile(r"^(.*[^aeiou][aeiou])([bdgklmnprt])\2$")


@lru_cache(maxsize=4096)
def base_of_gerund(word: str) -> str:
    """ "filling" -> "fill", "setting" -> "set", "storing" -> "store"; "" for what is no gerund of a verb that procedures know."""
    if not word.lower().endswith("ing") or len(word) < 6:
        return ""
    stem = word.lower()[:-3]
    doubled = _VOWEL_DOUBLED.match(stem)
    forms = [stem, stem + "e"]
    if doubled:
        forms.insert(0, doubled[1] + doubled[2])
    for form in forms:
        if form in IMPERATIVES:
            return form
    return ""


def is_imperative(word: str) -> bool:
    """Whether a word is a verb that instructions begin with."""
    return word.lower() in IMPERATIVES


def known_word(word: str) -> bool:
    """Whether a word is an English one, for slips that must not hit another word."""
    return is_english(word)
